import numpy as np
import pytest
import torch

from taplab import PaperSettings, SourceError, TorchModel
from taplab.evaluation.protocol import Way, mean_of_phases, score

FFW = PaperSettings(("ffw",))


class Threshold(torch.nn.Module):
    def forward(self, x):
        grey = x.mean(1, keepdim=True)
        return torch.cat([-grey, grey], 1)


@pytest.fixture
def model():
    return TorchModel(Threshold(), classes=("dark", "bright"), mean=(0.5,) * 3, std=(0.25,) * 3)


@pytest.fixture
def truth(make_clip, model):
    """What the network itself says of every decoded frame: per-frame is perfect by definition."""
    from taplab import Segmenter

    labels = [r.labels for r in Segmenter(model, mode="per-frame").stream(make_clip("mpeg4"))]
    return labels.__getitem__


def test_modes_are_scored_on_the_same_frames(make_clip, model, truth):
    perfect = score(make_clip("mpeg4"), truth, 30, model, Way("per-frame", FFW), gop=12)
    warped = score(make_clip("mpeg4"), truth, 30, model, Way("paper", FFW), gop=12)
    assert (perfect.miou, perfect.network_cost, perfect.miou_by_distance) == (1.0, 1.0, {0: 1.0})
    assert 0.7 < warped.miou < 1
    assert warped.network_cost == pytest.approx(0.1)
    assert list(warped.miou_by_distance) == list(range(12))
    assert warped.miou_by_distance[0] == 1.0
    assert warped.miou_by_distance[11] < warped.miou_by_distance[1]
    assert warped.fps > 0


def test_phases_are_averaged(make_clip, model, truth):
    one = score(make_clip("mpeg4"), truth, 30, model, Way("paper", FFW))
    other = score(make_clip("mpeg4", first_gop=6), truth, 30, model, Way("paper", FFW))
    mean = mean_of_phases([one, other])
    assert mean["miou"] == pytest.approx((one.miou + other.miou) / 2, abs=1e-4)
    assert mean["phases"] == 2
    assert mean["miou_range"] == [min(one.miou, other.miou), max(one.miou, other.miou)]


def test_truth_of_another_length_is_told(make_clip, model):
    with pytest.raises(SourceError, match="30 frames decoded, but there is truth for 31"):
        score(make_clip("mpeg4"), lambda i: np.zeros((144, 192), np.uint8), 31, model, Way("paper", FFW))
