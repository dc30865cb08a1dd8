import numpy as np
import pytest
import torch

from taplab.data.synthetic import SyntheticDrive
from taplab.errors import ModelError, OutputError, SettingError
from taplab.models.bundled import bundled
from taplab.models.flow import BUNDLED, TorchFlow, load_flow, load_flow_net, save_flow_net
from taplab.models.zoo.flownet import FlowNet, correlation, pull
from taplab.training.flow import FlowPairs, FlowSettings, end_point_error, flow_loss, main, train_flow


def settings(**changes):
    small = {"steps": 8, "batch": 2, "crop": (64, 96), "pairs": 6, "size": (144, 192), "amp": False, "warmup": 5}
    return FlowSettings(**{**small, "checkpoint_every": 4, **changes})


def test_it_is_small_and_takes_any_size():
    net = FlowNet().eval()
    assert sum(p.numel() for p in net.parameters()) <= 400_000
    for size in [(32, 32), (47, 61), (90, 120)]:
        with torch.inference_mode():
            levels = net.levels(torch.zeros(1, 3, *size), torch.zeros(1, 3, *size))
        assert levels[-1].shape == (1, 2, -(-size[0] // 4), -(-size[1] // 4))
        assert len(levels) == 4


def test_backward_reaches_every_weight():
    net = FlowNet()
    flow_loss(net.levels(torch.randn(2, 3, 64, 64), torch.randn(2, 3, 64, 64)), torch.randn(2, 2, 64, 64)).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())


def test_pulling_and_comparing_agree_on_the_sign():
    one = torch.nn.functional.normalize(torch.randn(1, 16, 12, 14), dim=1)
    two = one.roll((-2, 3), (2, 3))  # what was at (y, x) is now found at (y - 2, x + 3)
    best = correlation(one, two)[:, :, 4:8, 4:8].argmax(1)
    assert (best == 7 * (3 - 2) + (3 + 3)).all()
    flow = torch.tensor([3.0, -2.0]).view(1, 2, 1, 1).expand(1, 2, 12, 14)
    assert torch.allclose(pull(two, flow)[:, :, 3:9, 3:9], one[:, :, 3:9, 3:9], atol=1e-4)


def test_pairs_and_flow_belong_together():
    pairs = FlowPairs(settings(batch=4, colour=0.0))
    one, two, flow = pairs[3]
    assert one.shape == two.shape == (4, 3, 64, 96)
    assert flow.shape == (4, 2, 64, 96)
    assert torch.equal(FlowPairs(settings(batch=4, colour=0.0))[3][0], one)
    explained, still = (one - pull(two, flow)).abs().mean(), (one - two).abs().mean()
    assert explained < 0.6 * still


def test_training_lowers_the_error_and_resumes_to_the_bit(tmp_path):
    drives = [SyntheticDrive(96, 128, 31, seed=7, speed="medium")]
    torch.manual_seed(0)
    fresh = TorchFlow(FlowNet(), mean=(0.5,) * 3, std=(0.5,) * 3, multiple=32)
    before = end_point_error(fresh, drives)
    entries = []
    whole = train_flow(tmp_path / "whole", settings(steps=60), entries.append)
    trained = load_flow_net(tmp_path / "whole" / "flow.safetensors", precision="float32")
    assert end_point_error(trained, drives) < 0.95 * before
    assert entries[-1]["step"] == 60

    class StoppedError(Exception):
        pass

    def stop(entry):
        if entry["step"] == 24:
            raise StoppedError

    with pytest.raises(StoppedError):
        train_flow(tmp_path / "parts", settings(steps=60), stop)
    resumed = train_flow(tmp_path / "parts", settings(steps=60))
    for a, b in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_wrong_settings_and_checkpoints_are_told(tmp_path, capsys):
    train_flow(tmp_path, settings(steps=1))
    with pytest.raises(OutputError, match="other settings"):
        train_flow(tmp_path, settings(steps=2))
    (tmp_path / "checkpoint.pt").write_bytes(b"PK\x03\x04 not a checkpoint")
    with pytest.raises(OutputError, match="is damaged"):
        train_flow(tmp_path, settings(steps=1))
    with pytest.raises(SettingError, match="does not fit"):
        settings(crop=(144, 192))
    with pytest.raises(SettingError, match="at least 1"):
        settings(steps=0)
    with pytest.raises(SystemExit, match="1"):
        main(["-o", str(tmp_path), "--seed", "-1"])
    assert capsys.readouterr().err == "seed -1: a seed is 0 or more\n"


def test_save_and_load(tmp_path):
    net = FlowNet().eval()
    flow = load_flow_net(save_flow_net(net, tmp_path / "mine.safetensors"), precision="float32")
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    x = torch.from_numpy(image).permute(2, 0, 1)[None] / 127.5 - 1
    with torch.inference_mode():
        expected = torch.nn.functional.interpolate(net(x, x.flip(2)), (64, 96), mode="bilinear")[0].permute(1, 2, 0)
    assert flow.name == "mine"
    assert np.allclose(flow(image, image[::-1].copy()), expected, atol=0.05)  # weights are kept in half precision
    (tmp_path / "bad.safetensors").write_bytes(b"12345678{}")
    for name in ("bad", "none"):
        with pytest.raises(ModelError, match=f"{name}.safetensors"):
            load_flow_net(tmp_path / f"{name}.safetensors")


@pytest.mark.parametrize("speed", ["slow", "medium", "fast"])
def test_the_bundled_net_beats_no_motion_on_a_drive_it_never_saw(speed):
    drives = [SyntheticDrive(360, 480, 31, seed=2003, speed=speed)]
    assert end_point_error(load_flow("net"), drives) < 0.5 * end_point_error(None, drives)


def test_it_is_no_segmentation_model():
    assert BUNDLED.is_file()
    assert BUNDLED.stat().st_size < 1_500_000
    assert not any("flow" in name for name in bundled())
