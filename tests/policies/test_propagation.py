"""What a user's own flow does wrong, as the command tells it."""

import pytest
import torch
from typer.testing import CliRunner

from taplab import PaperSettings, Segmenter, TorchModel
from taplab.cli import segment  # noqa: F401  registers the command
from taplab.cli.app import app
from taplab.errors import ModelError


class Flat(torch.nn.Module):
    def forward(self, x):
        return torch.zeros(x.shape[0], 2, x.shape[2] // 4, x.shape[3] // 4)


@pytest.fixture
def _flows(tmp_path, monkeypatch):
    (tmp_path / "userflow.py").write_text(
        "import numpy as np\n"
        "def channels_first(device):\n"
        "    return lambda now, before: np.zeros((2, *now.shape[:2]), np.float32)\n"
        "def fails(device):\n"
        "    def flow(now, before):\n"
        "        raise ValueError('oh no')\n"
        "    return flow\n"
    )
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_flows")
@pytest.mark.parametrize(
    ("flow", "says"),
    [("channels_first", r"returned float32 \[2, 144, 192\]; return"), ("fails", "raised ValueError: oh no$")],
)
def test_a_users_flow_that_is_wrong(make_clip, flow, says):
    mode = f"flow:python:userflow:{flow}"
    segmenter = Segmenter(TorchModel(Flat(), classes=("a", "b")), mode=mode, settings=PaperSettings(("ffw",)))
    with pytest.raises(ModelError, match=f"^{mode}: {says}"):
        list(segmenter.stream(make_clip("mpeg4")))


@pytest.mark.usefixtures("_flows")
def test_the_command_says_it_in_one_line(make_clip, tmp_path):
    how = ["--model", "bl2-synthetic", "--modules", "ffw", "--mode", "flow:python:userflow:fails", "-q"]
    result = CliRunner().invoke(app, ["segment", str(make_clip("mpeg4")), "-o", str(tmp_path / "out"), *how])
    assert result.exit_code == 1
    assert result.stderr == "taplab: error: flow:python:userflow:fails: raised ValueError: oh no\n"
