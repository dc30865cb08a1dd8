import numpy as np
import pytest

from taplab.scoremap.mismatch import MOST, grid, mismatch


def picture(rng, shape=(20, 30)):
    """Smooth enough that half a cell is no new colour."""
    coarse = rng.uniform(0, 255, (shape[0] // 5 + 2, shape[1] // 5 + 2, 3))
    return fourth(np.kron(coarse, np.ones((5, 5, 1)))[: shape[0], : shape[1]])


def fourth(colours):
    """As a picture of cells, which has a fourth value of nothing."""
    return np.concatenate([colours, np.zeros_like(colours[..., :1])], 2).astype(np.float32)


def still(shape):
    return np.zeros((*shape, 2), np.float32)


def test_what_is_found_where_motion_leads_is_no_mismatch():
    now = picture(np.random.default_rng(1))
    moved = np.roll(now, (2, 3), (0, 1))  # the key frame: everything is 3 cells further right and 2 down
    way = still((20, 30))
    way[..., 0], way[..., 1] = 3, 2
    inside = np.ascontiguousarray(now[:-2, :-3]), moved
    assert mismatch(now, [(now, still((20, 30)))]) == 0
    assert mismatch(inside[0], [(np.ascontiguousarray(moved[2:, 3:]), still((18, 27)))]) == 0
    assert mismatch(now, [(moved, way)]) < 0.3 * mismatch(now, [(moved, still((20, 30)))])


def test_the_definition_without_a_better_way_around():
    """Where nothing moves, the correction has nothing to offer."""
    rng = np.random.default_rng(2)
    now, one, two = (fourth(rng.uniform(0, 40, (9, 11, 3))) for _ in range(3))
    far = fourth(np.full((9, 11, 3), 255))
    single = now[:1, :1], one[:1, :1], two[:1, :1]
    expected = min(np.abs(single[0] - single[1]).sum(), np.abs(single[0] - single[2]).sum(), MOST)
    assert mismatch(single[0], [(k, still((1, 1))) for k in single[1:]]) == pytest.approx(expected, rel=1e-5)
    assert mismatch(now, [(far, still((9, 11)))]) == MOST


def test_a_second_key_frame_never_makes_it_worse():
    rng = np.random.default_rng(3)
    now, one, two = (picture(rng) for _ in range(3))
    both = [(one, still((20, 30))), (two, still((20, 30)))]
    assert mismatch(now, both) <= min(mismatch(now, both[:1]), mismatch(now, both[1:]))


@pytest.mark.parametrize(
    ("size", "cells"), [((360, 480), (45, 60)), ((1024, 2048), (64, 128)), ((480, 3840), (60, 480)), ((3, 5), (1, 1))]
)
def test_cells_are_eight_pixels_in_small_frames_and_larger_in_large_ones(size, cells):
    assert grid(size) == cells
