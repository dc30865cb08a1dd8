import av
import numpy as np
import pytest
import torch

from taplab.modules.ffw import warp
from taplab.scoremap import cells
from taplab.types import IGNORE

CELLS = (20, 30)


def moved(dx, dy):
    return np.full((*CELLS, 2), (dx, dy), np.float32)


def colour(value):
    """A picture of one colour, or with one."""
    out = np.zeros((*CELLS, 4), np.float32)
    out[..., :3] = value
    return out


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p", "yuv422p10le", "gray", "nv12"])
def test_colour_of_a_cell_is_the_mean_of_its_pixels(pixel_format):
    rgb = np.zeros((40, 60, 3), np.uint8)
    rgb[:20], rgb[20:, :, 0] = 200, 90
    picture = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=pixel_format)
    found = cells.cell_picture(picture, (10, 15))
    planes = [np.asarray(p) for p in picture.reformat(format="yuv444p").to_ndarray()]
    np.testing.assert_allclose(found[..., 0], planes[0].reshape(10, 4, 15, 4).mean((1, 3)), atol=2)
    assert np.ptp(found[6:, :, 1]) < 2
    assert (found[..., 3] == 0).all()
    assert cells.cell_picture(picture, (11, 7)).shape == (11, 7, 4)  # cells of no whole number of pixels


@pytest.mark.parametrize("shape", [(240, 320), (60, 80), (61, 83), (37, 200), (9, 13)])
def test_means_by_their_definition(shape):
    """Cells of any whole and broken number of pixels."""
    noise = np.random.default_rng(3).integers(0, 256, (3, *shape), np.uint8)
    found = cells.cell_picture(av.VideoFrame.from_ndarray(noise, format="yuv444p"), (9, 13))
    for i, j in np.ndindex(9, 13):
        top, left = i * shape[0] // 9, j * shape[1] // 13
        bottom, right = max((i + 1) * shape[0] // 9, top + 1), max((j + 1) * shape[1] // 13, left + 1)
        mean = noise[:, top:bottom, left:right].mean((1, 2))
        np.testing.assert_allclose(found[i, j, :3], mean, rtol=1e-6)


@pytest.mark.parametrize("classes", [1, 7, 8, 11, 19])
def test_probabilities_side_by_side_with_their_presence(classes):
    planes = torch.rand(classes, 6, 9)
    found = cells.padded(planes)
    assert found.shape[2] % 8 == 0
    np.testing.assert_array_equal(found[..., :classes], planes.permute(1, 2, 0))
    assert (found[..., classes] == 1).all()
    assert (found[..., classes + 1 :] == 0).all()
    presence = torch.rand(6, 9)
    np.testing.assert_array_equal(cells.padded(planes, presence), found * presence.numpy()[..., None])


def test_the_difference_is_that_of_bilinear_samples():
    rng = np.random.default_rng(1)
    now, key = (rng.uniform(0, 255, (*CELLS, 4)).astype(np.float32) for _ in range(2))
    way = rng.uniform(-12, 12, (*CELLS, 2)).astype(np.float32)  # some lead out of the picture
    there = warp(torch.from_numpy(key).permute(2, 0, 1), way).permute(1, 2, 0).numpy()
    expected = np.abs(now - there)[..., :3].sum(2)
    found = cells.differences(now, key, way)
    np.testing.assert_allclose(found, expected, atol=0.02)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (4, 1)])
def test_pictures_of_one_row_or_column(shape):
    now = np.zeros((*shape, 4), np.float32)
    key = now + np.float32([1, 2, 3, 0])
    way = np.random.default_rng(2).uniform(-3, 3, (*shape, 2)).astype(np.float32)
    np.testing.assert_allclose(cells.differences(now, key, way), 6, rtol=1e-6)


def test_calm_is_where_the_same_class_is_all_around():
    best = np.zeros((9, 12), np.uint8)
    best[:, 6:] = 1
    found = cells.calm(best)
    assert (found[:, :5] == 0).all()
    assert (found[:, 5:7] == IGNORE).all()
    assert (found[:, 7:] == 1).all()
    best[:4] = cells.ABSENT
    partly = cells.calm(best)
    assert (partly[:4] == cells.ABSENT).all()
    assert (partly[4] == IGNORE).all()
    np.testing.assert_array_equal(partly[5:], found[5:])


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (2, 2), (12, 19)])
def test_calm_by_its_definition(shape):
    rng = np.random.default_rng(4)
    for share in (0.02, 0.2):
        best = (rng.uniform(size=shape) < share).astype(np.uint8)
        found = cells.calm(best)
        for i, j in np.ndindex(shape):
            around = best[max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2]
            assert found[i, j] == (best[i, j] if (around == best[i, j]).all() else IGNORE)


def test_settled_are_cells_of_one_calm_class_that_look_the_same():
    one, other = np.zeros(CELLS, np.uint8), np.zeros(CELLS, np.uint8)
    one[0, 0], other[5, 5] = IGNORE, 1
    now, picture = colour(90), colour(95)
    picture[9, 9, :3] = 90 + cells.STRANGE
    found = cells.settled(now, [(one, now, moved(0, 0)), (other, picture, moved(1, 0))])
    assert {tuple(cell) for cell in np.argwhere(found == IGNORE)} == {(0, 0), (5, 4), (9, 8)}
    assert set(np.unique(found)) == {0, IGNORE}
    other[5, 5] = cells.ABSENT
    absent = cells.settled(now, [(one, now, moved(0, 0)), (other, picture, moved(1, 0))])
    assert {tuple(cell) for cell in np.argwhere(absent == IGNORE)} == {(0, 0), (9, 8)}
