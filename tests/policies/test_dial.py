import pytest
import torch

from taplab import PaperSettings, Segmenter, SettingError, TorchModel
from taplab.models.zoo.bl2_warp import BL2Warp
from taplab.policies import Dial, Relation, make_policy


def test_loss_and_mismatch_are_each_others_inverse():
    relation = Relation(disagreement=2.0, free=3.0, slope=2.5)
    assert relation.loss(1.5) == 0
    assert relation.loss(2.0) == 2.5
    for loss in (0.5, 1.0, 7.0):
        assert relation.loss(relation.mismatch(loss)) == pytest.approx(loss)
    assert Relation(4.0, 3.0, 2.5).mismatch(1.0) == relation.mismatch(1.0) / 2


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"budget": 0.1, "quality": 1.0}, "budget and quality: give only one"),
        ({"quality": 1.0, "target_fps": 25}, "quality and target_fps: give only one"),
        ({"budget": 0}, r"budget 0: must lie in 0\.01\.\.1"),
        ({"budget": 1.5}, r"budget 1\.5: must lie in"),
        ({"budget": float("nan")}, "budget nan"),
        ({"quality": -1}, "quality -1: must lie in"),
        ({"quality": float("inf")}, "quality inf"),
        ({"target_fps": 0}, "target_fps 0: must be a number above 0"),
        ({"target_fps": float("nan")}, "target_fps nan"),
    ],
)
def test_refused(asked, says, model):
    with pytest.raises(SettingError, match=says):
        Dial(**asked)
    with pytest.raises(SettingError, match=says):
        Segmenter(model, **asked)


@pytest.mark.parametrize("mode", ["paper", "per-frame", "itp", "flow:dis"])
@pytest.mark.parametrize("asked", [{"budget": 0.1}, {"quality": 1.0}, {"target_fps": 25}])
def test_modes_that_choose_nothing(mode, asked, model):
    with pytest.raises(SettingError, match=f"mode {mode} has nothing to choose; use mode offline or live"):
        Segmenter(model, mode=mode, **asked)


def test_a_speed_is_for_live(model):
    with pytest.raises(SettingError, match="mode offline looks ahead"):
        Segmenter(model, mode="offline", target_fps=25)
    segmenter = Segmenter(model, target_fps=25)
    assert segmenter._policy_for(live=False).name == "live"


def test_the_interval_is_the_upper_limit(model):
    assert Segmenter(model).policy.interval == 12
    assert Segmenter(model, quality=1).policy.interval == 24
    assert Segmenter(model, budget=0.05).policy.interval == 40  # room for a key frame where one is needed
    assert Segmenter(model, budget=0.1, settings=PaperSettings(interval=10)).policy.interval == 10
    with pytest.raises(SettingError, match=r"budget 0\.05: a key frame every 12 frames costs more.*20 or more"):
        Segmenter(model, budget=0.05, settings=PaperSettings(interval=12))


def test_rgfs_and_rgc_have_no_say(model):
    assert make_policy("auto", PaperSettings(("ffw", "rgfs")), dial=Dial(quality=1)).modules == ("ffw",)
    with pytest.raises(SettingError, match="leave rgc out"):
        Segmenter(model, quality=1, settings=PaperSettings(("ffw", "rgc")))
    with pytest.raises(SettingError, match="in mode live only"):
        Segmenter(model, budget=0.2, settings=PaperSettings(("ffw", "rgc")))


def test_calibration_must_be_a_number():
    with pytest.raises(SettingError, match="disagreement 0: must be a number above 0"):
        Relation(0, 3, 2)


def test_glances_are_paid_first():
    """Of a network made for warping: what they cost is not there for key frames."""
    dial = Dial(budget=0.28)
    assert dial.beside(0.0) == dial
    left = dial.beside(0.2)
    assert left.budget == pytest.approx(0.1)
    assert left.budget + (1 - left.budget) * 0.2 == pytest.approx(0.28)
    assert Dial(quality=1.0).beside(0.2) == Dial(quality=1.0)
    with pytest.raises(SettingError, match=r"budget 0\.2: the network glances at every frame.*give 0\.208 or more"):
        Dial(budget=0.2).beside(0.2)


@pytest.mark.parametrize("mode", ["offline", "live"])
def test_a_network_that_glances_keeps_the_budget(make_clip, mode):
    torch.manual_seed(0)
    follower = TorchModel(BL2Warp(3, 0.125), classes=("a", "b", "c"))
    segmentation = Segmenter(follower, mode=mode, budget=0.4).stream(make_clip("h264", gop=30))
    assert {result.origin for result in segmentation} == {"network", "followed"}
    summary = segmentation.summary()
    assert 0.3 < summary.network_cost <= 0.4
    assert summary.asked == {"budget": 0.4}


@pytest.mark.parametrize("value", ["1", True])
def test_what_is_asked_for_is_a_number(value):
    with pytest.raises(SettingError, match=r"quality .*: must be a number"):
        Dial(quality=value)
