import json

import torch
from typer.testing import CliRunner

from taplab import save_pretrained
from taplab.cli import models as _models  # noqa: F401  registers the command
from taplab.cli.app import app
from taplab.models.pretrained import card_for
from taplab.models.zoo import build


def models(*args):
    return CliRunner().invoke(app, ["models", *map(str, args)])


def test_models_and_their_cost(tmp_path):
    result = models("--json", tmp_path / "models.json")
    assert result.exit_code == 0, result.stderr
    rows = {row["model"]: row for row in json.loads((tmp_path / "models.json").read_text())}
    assert set(rows) >= {"bl2-camvid", "bl2-synthetic", "bl1", "bl2", "bl3"}
    assert round(rows["bl1"]["multiply_adds"] / 1e9) == 29
    assert rows["bl1"]["size"] == [1024, 2048]
    assert rows["bl3"]["origin"].startswith("untrained")
    assert "367 training images of CamVid" in rows["bl2-camvid"]["origin"]
    assert "bl2-camvid.md" in rows["bl2-camvid"]["origin"]
    assert "bl2-camvid" in result.stdout
    assert "4.84 M" in result.stdout
    assert "39.1" in result.stdout
    assert "1/4" in result.stdout


def test_your_own_weights_at_another_size(tmp_path):
    card = card_for("bl2", 0.125, "ab", [(0, 0, 0)] * 2, "my data; step 3 of 3")
    with torch.random.fork_rng():
        save_pretrained(build("bl2", 2, 0.125), card, tmp_path / "mine")
    result = models(tmp_path / "mine", "--size", "512x1024", "--json", tmp_path / "models.json")
    assert result.exit_code == 0, result.stderr
    rows = json.loads((tmp_path / "models.json").read_text())
    (mine,) = [row for row in rows if row["origin"] == "my data; step 3 of 3"]
    assert (mine["classes"], mine["size"], mine["stride"]) == (["a", "b"], [512, 1024], 4)
    assert "my data; step 3 of 3; classes: a, b" in result.stdout
    (bl1,) = [row for row in rows if row["model"] == "bl1"]
    assert round(bl1["multiply_adds"] / 1e9) == 7  # a quarter


def test_wrong_use_is_told(tmp_path):
    result = models("--size", "big")
    assert (result.exit_code, "rows x columns" in result.stderr) == (2, True)
    result = models(tmp_path / "none.safetensors")
    assert (result.exit_code, "no such weights file" in result.stderr) == (1, True)
