import av
import numpy as np
import pytest
import torch

from taplab.modules import matching
from taplab.modules.ffw import warp

CELLS = (20, 30)
ALL = np.ones(CELLS, np.bool_)


@pytest.fixture
def key():
    """A picture in which every place looks different."""
    return np.random.default_rng(0).uniform(0, 255, (*CELLS, 3)).astype(np.float32)


@pytest.fixture
def scores():
    raw = np.random.default_rng(1).uniform(0, 1, (*CELLS, 4)).astype(np.float32)
    return whole(raw / raw.sum(2, keepdims=True))


def whole(probabilities):
    """Present everywhere."""
    return np.concatenate([probabilities, np.ones_like(probabilities[..., :1])], 2)


def reversed_classes(scores):
    return whole(scores[..., -2::-1])


def moved(dx, dy):
    return np.full((*CELLS, 2), (dx, dy), np.float32)


def shifted(picture, dx, dy):
    """What is seen where every cell comes from (dx, dy) cells away."""
    rows = np.clip(np.arange(CELLS[0]) + dy, 0, CELLS[0] - 1)
    columns = np.clip(np.arange(CELLS[1]) + dx, 0, CELLS[1] - 1)
    return np.ascontiguousarray(picture[rows][:, columns])


def test_a_cell_takes_the_displacement_that_explains_its_colour(key):
    wrong_here = moved(2, -1)
    wrong_here[8:12, 10:20] = 0
    refined = matching.refine(shifted(key, 2, -1), key, wrong_here, ALL)
    np.testing.assert_allclose(refined, moved(2, -1))


def test_cells_that_are_not_active_keep_theirs(key):
    active = ALL.copy()
    active[:10] = False
    start = moved(0, 0)
    start[0, 0] = (2, -1)
    refined = matching.refine(shifted(key, 2, -1), key, start, active)
    np.testing.assert_array_equal(refined[:10], start[:10])


def test_a_right_displacement_is_left_alone(key):
    start = moved(1, 1)
    np.testing.assert_array_equal(matching.refine(shifted(key, 1, 1), key, start, ALL), start)


def test_without_comparison_scores_are_sampled_as_ffw_does(key, scores):
    displacement = np.random.default_rng(2).integers(-3, 4, (*CELLS, 2)).astype(np.float32)
    gathered, _ = matching.gather(key, [(scores, key, displacement, 1.0)], ~ALL)
    warped = warp(torch.from_numpy(scores).permute(2, 0, 1), displacement)
    np.testing.assert_allclose(gathered, warped.permute(1, 2, 0), atol=1e-4)


def test_two_key_frames_count_by_their_share(key, scores):
    other = reversed_classes(scores)
    sides = [(scores, key, moved(0, 0), 0.25), (other, key, moved(0, 0), 0.75)]
    np.testing.assert_allclose(matching.gather(key, sides, ~ALL)[0], 0.25 * scores + 0.75 * other, atol=1e-6)


def test_what_does_not_match_does_not_count(key, scores):
    other = reversed_classes(scores)
    here, strange = np.full_like(key, 100), np.full_like(key, 120)
    sides = [(scores, strange, moved(0, 0), 0.9), (other, here, moved(0, 0), 0.1)]
    gathered, _ = matching.gather(here, sides, ALL)
    alone, _ = matching.gather(here, sides[1:], ALL)
    np.testing.assert_allclose(gathered, alone, atol=1e-6)
    np.testing.assert_allclose(gathered[..., :-1].sum(2), 1, atol=1e-4)


def test_gathering_is_the_formula(key, scores):
    """Against the definition, at one inner cell with a whole displacement."""
    now = shifted(key, 1, 0) + 2
    gathered, _ = matching.gather(now, [(scores, key, moved(1, 0), 1.0)], ALL)
    i, j = 7, 9
    weights, total = 0.0, np.zeros(5)
    for y in range(i - 1, i + 2):
        for x in range(j, j + 3):
            weight = np.exp(-np.abs(now[i, j] - key[y, x]).sum() / matching.SPREAD)
            weights, total = weights + weight, total + weight * scores[y, x]
    np.testing.assert_allclose(gathered[i, j], total / weights, rtol=0.05)


def test_calm_is_where_the_same_class_is_all_around():
    scores = np.zeros((9, 12, 2), np.float32)
    scores[:, :6, 0], scores[:, 6:, 1] = 1, 1
    found = matching.calm(whole(scores))
    assert (found[:, :5] == 0).all()
    assert (found[:, 5:7] == -1).all()
    assert (found[:, 7:] == 1).all()
    partly = whole(scores)
    partly[:4] = 0
    assert (matching.calm(partly)[:4] == matching.ABSENT).all()
    assert (matching.calm(partly)[4] == -1).all()
    np.testing.assert_array_equal(matching.calm(partly)[5:], found[5:])


@pytest.mark.parametrize("compared", [True, False])
def test_a_region_says_nothing_outside_it(key, scores, compared):
    region = reversed_classes(scores)
    mask = np.zeros(CELLS, np.float32)
    mask[:, 10:20], mask[:, 9] = 1, 0.5
    region *= mask[..., None]
    sides = [(scores, key, moved(0, 0), 1.0), (region, key, moved(0, 0), 1.0)]
    found, match = matching.gather(key, sides, ALL & compared)
    alone, as_well = matching.gather(key, sides[:1], ALL & compared)
    np.testing.assert_allclose(found[..., -1], 1, atol=1e-6)
    np.testing.assert_allclose(found[:, :8], alone[:, :8], atol=1e-6)
    np.testing.assert_allclose(match[:, :8], as_well[:, :8], atol=1e-6)
    if not compared:
        np.testing.assert_allclose(found[:, 9], scores[:, 9] * 2 / 3 + region[:, 9] * 2 / 3, atol=1e-6)
        np.testing.assert_allclose(found[:, 10:20, :-1], (scores + region)[:, 10:20, :-1] / 2, atol=1e-6)


def test_settled_are_cells_of_one_calm_class_that_look_the_same():
    one, other = np.zeros(CELLS, np.int16), np.zeros(CELLS, np.int16)
    one[0, 0], other[5, 5] = -1, 1
    now, picture = np.full((*CELLS, 3), 90, np.float32), np.full((*CELLS, 3), 95, np.float32)
    picture[9, 9] = 90 + matching.STRANGE
    open_cells = matching.unsettled(now, [(one, now, moved(0, 0)), (other, picture, moved(1, 0))])
    assert {tuple(cell) for cell in np.argwhere(open_cells)} == {(0, 0), (5, 4), (9, 8)}
    other[5, 5] = matching.ABSENT
    absent = matching.unsettled(now, [(one, now, moved(0, 0)), (other, picture, moved(1, 0))])
    assert {tuple(cell) for cell in np.argwhere(absent)} == {(0, 0), (9, 8)}


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p", "yuv422p10le", "gray", "nv12"])
def test_colour_of_a_cell_is_the_mean_of_its_pixels(pixel_format):
    rgb = np.zeros((40, 60, 3), np.uint8)
    rgb[:20], rgb[20:, :, 0] = 200, 90
    picture = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=pixel_format)
    cells = matching.cell_picture(picture, (10, 15))
    planes = [np.asarray(p) for p in picture.reformat(format="yuv444p").to_ndarray()]
    np.testing.assert_allclose(cells[..., 0], planes[0].reshape(10, 4, 15, 4).mean((1, 3)), atol=2)
    assert np.ptp(cells[6:, :, 1]) < 2
    assert matching.cell_picture(picture, (11, 7)).shape == (11, 7, 3)  # cells of no whole number of pixels


def test_the_match_says_how_well_pictures_match(scores):
    flat, still = np.full((*CELLS, 3), 100, np.float32), moved(0, 0)
    _, alike = matching.gather(flat, [(scores, flat, still, 0.3), (scores, flat, still, 0.9)], ALL)
    np.testing.assert_allclose(alike, 1, atol=1e-5)
    _, half = matching.gather(flat, [(scores, flat, still, 0.5), (scores, flat + 90, still, 0.5)], ALL)
    np.testing.assert_allclose(half, 0.5, atol=1e-3)
    _, not_compared = matching.gather(flat, [(scores, flat + 90, still, 0.5)], ~ALL)
    np.testing.assert_allclose(not_compared, 1)
