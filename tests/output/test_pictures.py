import numpy as np
import pytest
from PIL import Image

from taplab.errors import SettingError
from taplab.output.pictures import motion_picture, overlay_picture, residual_picture, timeline_chart
from taplab.palettes import palette_for
from taplab.types import IGNORE, Motion, MotionField, Residual


def motion(vectors, coded=None, weights=None):
    """Fields of an 18x32 grid (144x256 pixels), each with one vector everywhere."""
    fields = []
    for index, vector in enumerate(vectors):
        weight = np.full((18, 32), 1.0 if weights is None else weights[index], np.float32)
        fields.append(MotionField(index, np.broadcast_to(np.float32(vector), (18, 32, 2)), weight))
    return Motion(tuple(fields), np.ones((18, 32), bool) if coded is None else coded)


@pytest.mark.parametrize(
    ("vector", "colour"),
    [
        ((0, 0), (255, 255, 255)),
        ((-4, 0), (255, 0, 0)),  # comes from the left: moves to the right
        ((4, 0), (0, 255, 255)),
        ((-2, 0), (255, 128, 128)),
    ],
)
def test_hue_is_the_direction_of_the_movement_and_saturation_its_length(vector, colour):
    picture = motion_picture(motion([vector]), 144, 256, scale=4)
    assert picture.shape == (144, 256, 3)
    assert picture.dtype == np.uint8
    assert np.abs(picture[10, 10].astype(int) - colour).max() <= 1


def test_opposite_directions_differ_and_the_scale_adapts():
    down, up = (motion_picture(motion([(0, dy)]), 144, 256)[10, 10].astype(int) for dy in (-30, 30))
    assert np.abs(down - up).max() > 200
    assert min(down.min(), up.min()) == 0


def test_intra_blocks_are_hatched_grey():
    coded = np.ones((18, 32), bool)
    coded[:2, :4] = False
    block = motion_picture(motion([(-4, 0)], coded), 144, 256)[:16, :32]
    assert (block == block[..., :1]).all()
    assert len(np.unique(block)) == 2


def test_the_heavier_of_two_references_counts():
    both = motion([(-4, 0), (4, 0)], weights=[0.3, 0.7])
    assert motion_picture(both, 144, 256, scale=4)[10, 10].tolist() == [0, 255, 255]


def test_motion_of_sizes_that_are_no_multiple_of_the_block():
    assert motion_picture(motion([(1, 1)]), 141, 250).shape == (141, 250, 3)


def test_a_frame_without_any_vector_is_all_hatched():
    nothing = Motion((), np.zeros((18, 32), bool))
    picture = motion_picture(nothing, 144, 256)
    assert (picture[:60] == picture[:60, :, :1]).all()


def residual(height=144, width=256):
    sums = np.zeros((-(-height // 16), -(-width // 16)), np.int32)
    sums[0, :4] = np.array([0, 2, 5, 10]) * 256
    return Residual(sums, np.zeros_like(sums), height * width)


def test_more_residual_looks_brighter():
    picture = residual_picture(residual(), 144, 256, scale=10)
    brightness = picture[8, 8:64:16].astype(int).sum(axis=1)
    assert (np.diff(brightness) > 0).all()
    assert len(np.unique(picture[:16, 16:32].reshape(-1, 3), axis=0)) == 1


def test_blocks_cut_by_the_border_are_means_too():
    whole = Residual(np.full((2, 2), 5 * 256, np.int32), np.zeros((2, 2), np.int32), 1024)
    cut = Residual(np.array([[5 * 256, 5 * 128], [5 * 64, 5 * 32]], np.int32), np.zeros((2, 2), np.int32), 480)
    colour = residual_picture(whole, 32, 32, scale=10)[0, 0]
    assert (residual_picture(cut, 20, 24, scale=10) == colour).all()


def test_luma_shows_through_the_heat_map():
    luma = np.tile(np.arange(256, dtype=np.uint8), (144, 1))
    picture = residual_picture(residual(), 144, 256, luma).astype(int)
    assert picture[30, 200].sum() > picture[30, 20].sum() + 100


@pytest.mark.parametrize("make", [lambda h, w: motion_picture(motion([(0, 0)]), h, w)])
def test_legend_is_there_unless_it_would_cover_the_picture(make):
    assert (make(144, 256) != 255).any()
    assert (make(32, 32) == 255).all()


def test_overlay_blends_known_classes_only():
    rgb = np.full((1, 4, 3), 100, np.uint8)
    labels = np.array([[0, 1, 9, IGNORE]], np.uint8)
    picture = overlay_picture(rgb, labels, [(200, 0, 100), (0, 0, 0)], alpha=0.5)
    assert picture[0].tolist() == [[150, 50, 100], [50, 50, 50], [100, 100, 100], [100, 100, 100]]


def test_overlay_of_unequal_sizes():
    with pytest.raises(SettingError, match="do not fit"):
        overlay_picture(np.zeros((4, 4, 3), np.uint8), np.zeros((2, 4), np.uint8), [(0, 0, 0)])


def chart(frames, **changes):
    values = {
        "kinds": ["I" if index % 12 == 0 else "P" for index in range(frames)],
        "residual": [None if index % 12 == 0 else 2.0 + index / frames for index in range(frames)],
        "keys": [index % 12 == 0 for index in range(frames)],
        "damaged": [False] * frames,
    }
    return timeline_chart(**(values | changes))


def colours(image):
    return {colour for _, colour in image.getcolors(1 << 20)}


@pytest.mark.parametrize("frames", [1, 2, 30, 1000, 3000])
def test_chart_of_any_length_shows_kinds_keys_and_residual(frames):
    image = chart(frames)
    assert isinstance(image, Image.Image)
    assert image.mode == "RGB"
    assert 1000 <= image.width <= 2000
    shown = colours(image)
    assert {(214, 66, 60), (20, 130, 80)} <= shown
    assert ((104, 146, 196) in shown) == (frames > 1)


def test_one_damaged_frame_among_thousands_is_seen():
    damaged = [index == 1234 for index in range(3000)]
    assert (235, 20, 200) in colours(chart(3000, damaged=damaged))
    assert (235, 20, 200) not in colours(chart(3000))


def test_a_higher_residual_stands_higher():
    flat = [1.0] * 30
    peak = [1.0] * 15 + [4.0] + [1.0] * 14
    ink = [np.asarray(chart(30, residual=values).convert("L"))[64:284] < 90 for values in (flat, peak)]
    assert ink[1][:60, 90:].any()
    assert ink[1].argmax(axis=0)[520:560].min() < 80


def test_chart_without_any_residual():
    assert chart(20, residual=[None] * 20).width == 1000


def test_chart_of_unequal_lengths():
    with pytest.raises(SettingError, match="one and the same length"):
        chart(20, keys=[True])


@pytest.mark.parametrize("count", [1, 2, 3, 11, 19, 255])
def test_palette_colours_are_distinct(count):
    palette = palette_for(count)
    assert len(palette) == len(set(palette)) == count
    if count > 2:
        assert (0, 0, 0) not in palette


def test_palette_of_few_classes_is_far_apart():
    colours = np.array(palette_for(12))
    distances = np.abs(colours[:, None] - colours[None]).sum(axis=2)
    assert distances[~np.eye(12, dtype=bool)].min() > 80


@pytest.mark.parametrize("count", [0, 256])
def test_palette_that_cannot_be(count):
    with pytest.raises(SettingError, match="1 to 255"):
        palette_for(count)
