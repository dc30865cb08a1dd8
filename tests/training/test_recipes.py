import pytest

from taplab.errors import SettingError
from taplab.training.augment import Augmentation
from taplab.training.recipes import CROPS, PAPER, ROAD, TrainSettings, recipe_for


def test_the_paper_s_protocol():
    """Sec. 4.1, item by item."""
    assert (PAPER.optimiser, PAPER.rate, PAPER.weight_decay, PAPER.batch, PAPER.power) == ("adam", 2e-4, 1e-6, 8, 0.9)
    assert PAPER.rate_at(0) == 2e-4
    assert PAPER.rate_at(10_000) == pytest.approx(2e-4 * 0.5**0.9)
    assert PAPER.augmentation.scale == (0.5, 2.0)
    assert not PAPER.augmentation.changes_colours
    assert PAPER.augmentation.paste == PAPER.augmentation.rare_crop == 0
    assert (PAPER.jaccard, PAPER.auxiliary, PAPER.smoothing, PAPER.ema, PAPER.clip) == (0, 0, 0, 0, 0)
    assert not PAPER.balanced
    assert PAPER.label_step == 1
    assert recipe_for("paper", "camvid").crop(0) == (600, 600)
    assert recipe_for("paper", "camvid").steps == 20_000
    assert recipe_for("paper", "cityscapes").crop(0) == (800, 800)


def test_road_is_what_made_the_bundled_weights():
    """See models/weights/bl2-camvid.md; a changed default would change the meaning of old checkpoints."""
    assert recipe_for("road", "camvid") == ROAD == TrainSettings()
    assert (ROAD.steps, ROAD.batch, ROAD.rate, ROAD.weight_decay, ROAD.warmup) == (7000, 8, 2e-3, 0.02, 300)
    assert [ROAD.crop(step) for step in (0, 2449, 2450, 4900, 6999)] == [
        (224, 288),
        (224, 288),
        (288, 352),
        (352, 480),
        (352, 480),
    ]
    assert (ROAD.jaccard, ROAD.auxiliary, ROAD.ema, ROAD.optimiser, ROAD.clip) == (0.5, 0.4, 0.999, "adamw", 5.0)
    assert ROAD.augmentation == Augmentation((0.6, 2.0), 0.3, 0.25, 4.0, 0.4, 0.4)
    assert ROAD.rate_at(0) == pytest.approx(2e-3 / 300)
    assert recipe_for("road", "synthetic").steps == 3500


def test_crops_are_cut_to_the_smallest_image():
    assert PAPER.within((360, 480)).crop(0) == (360, 480)
    assert PAPER.within((720, 960)) == PAPER
    assert ROAD.within((300, 400)).crop(6999) == (300, 400)


def test_crops_smaller_than_a_cell_are_refused():
    assert PAPER.within((32, 32)).crop(0) == (32, 32)
    for size in ((31, 480), (480, 31)):
        with pytest.raises(SettingError, match=rf"crops of {size[0]}x{size[1]}: take at least 32x32"):
            TrainSettings(crops=((0.5, (64, 64)), (0.5, size)))


def test_mixed_crops_are_drawn_anew_at_each_step():
    sizes = [CROPS.crop(step) for step in range(400)]
    assert sizes == [CROPS.crop(step) for step in range(400)]
    shares = {size: sizes.count(size) / 400 for size in set(sizes)}
    assert shares == pytest.approx({(176, 176): 0.25, (192, 192): 0.25, (352, 480): 0.5}, abs=0.07)
    assert CROPS.within((100, 480)).crop(0)[0] == 100


def test_an_unknown_recipe_is_told():
    with pytest.raises(SettingError, match="choose from paper, road, crops"):
        recipe_for("best", "camvid")
