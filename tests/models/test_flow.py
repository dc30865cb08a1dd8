import numpy as np
import pytest
import torch

from taplab.errors import DeviceError, ModelError, SettingError
from taplab.models.flow import TorchFlow, load_flow

NOW = np.random.default_rng(0).integers(0, 256, (40, 52, 3), dtype=np.uint8)
BEFORE = NOW[::-1].copy()


def test_a_quarter_of_the_size_is_upsampled_and_scaled():
    def net(one, two):
        return torch.ones(1, 2, one.shape[2] // 4, one.shape[3] // 4) * torch.tensor([0.5, -1.0]).view(2, 1, 1)

    flow = TorchFlow(net, multiple=64, scale=20)(NOW, BEFORE)
    assert flow.shape == (40, 52, 2)
    assert flow.dtype == np.float32
    assert flow.flags.c_contiguous
    assert np.allclose(flow, (10, -20))


def test_the_first_image_is_now_normalised_and_padded():
    seen = []

    def net(one, two):
        seen.extend([one, two])
        return torch.zeros(1, 2, *one.shape[2:])

    TorchFlow(net, mean=(0.1, 0.2, 0.3), std=(0.5, 1, 2), bgr=True, multiple=16)(NOW, BEFORE)
    assert seen[0].shape == (1, 3, 48, 64)
    blue = (NOW[..., 2] / 255 - 0.3) / 2
    assert np.allclose(seen[0][0, 0, :40, :52], blue, atol=1e-5)
    assert np.allclose(seen[0][0, 0, 40:, :52], blue[-1:], atol=1e-5)
    assert np.allclose(seen[1][0, 2, :40, :52], (BEFORE[..., 0] / 255 - 0.1) / 0.5, atol=1e-5)


def test_columns_stay_columns():
    ramp = torch.linspace(0, 1, 52).expand(40, 52)
    flow = TorchFlow(lambda one, two: [torch.stack([ramp, 0 * ramp])[None]])(NOW, BEFORE)
    assert np.allclose(flow[..., 0], ramp)
    assert not flow[..., 1].any()


@pytest.mark.parametrize(
    ("net", "says"),
    [
        (lambda one, two: one, r"mine: gives \(1, 3, 40, 52\)"),
        (lambda one, two: None, "NoneType"),
        (lambda one, two: torch.full((1, 2, 5, 5), torch.nan), "not finite"),
    ],
)
def test_what_is_no_flow_is_told(net, says):
    with pytest.raises(ModelError, match=says):
        TorchFlow(net, name="mine")(NOW, BEFORE)


def test_what_a_network_raises_is_told():
    with pytest.raises(ModelError, match=r"^mine: raised RuntimeError: .*size"):
        TorchFlow(lambda one, two: one + two[..., :-1], name="mine")(NOW, BEFORE)


def test_settings_are_checked():
    with pytest.raises(DeviceError, match="no such device"):
        TorchFlow(torch.nn.Identity(), device="gpu9000")
    with pytest.raises(ModelError, match="must not be 0"):
        TorchFlow(torch.nn.Identity(), std=(1, 0, 1))


def test_flows_by_name(tmp_path, monkeypatch):
    (tmp_path / "myflow.py").write_text(
        "import numpy as np, torch\n"
        "class Net(torch.nn.Module):\n"
        "    def forward(self, one, two):\n"
        "        return one[:, :2] - two[:, :2]\n"
        "def net(device):\n"
        "    return Net()\n"
        "def plain(device):\n"
        "    return lambda now, before: np.zeros((*now.shape[:2], 2), np.float32)\n"
        "def wrong(device):\n"
        "    return 3\n"
        "def without_weights(device):\n"
        "    raise ValueError('no weights')\n"
    )
    monkeypatch.chdir(tmp_path)
    assert np.allclose(
        load_flow("python:myflow:net")(NOW, BEFORE), (NOW[..., :2].astype(float) - BEFORE[..., :2]) / 255, atol=1e-5
    )
    assert not load_flow("python:myflow:plain")(NOW, BEFORE).any()
    with pytest.raises(ModelError, match="int"):
        load_flow("python:myflow:wrong")
    with pytest.raises(ModelError, match=r"^python:myflow:without_weights: raised ValueError: no weights$"):
        load_flow("python:myflow:without_weights")
    with pytest.raises(ModelError, match="nowhere"):
        load_flow("python:nowhere:net")
    with pytest.raises(SettingError, match="dis, farneback, net"):
        load_flow("raft")
