import numpy as np
import pytest
import torch

from taplab.modules.ffw import Carried
from taplab.modules.fusion import LEAK, accumulate, carry, doubt_of, fuse, invert, no_doubt
from taplab.types import MotionField, Residual

SIZE, CELLS, BLOCKS = (64, 96), (16, 24), (8, 12)


def field(dx, dy, reference=0, weight=1.0):
    vectors = np.full((*BLOCKS, 2), (dx, dy), np.float32)
    return MotionField(reference, vectors, np.full(BLOCKS, weight, np.float32))


def residual(level=0):
    return Residual(np.full((4, 6), level * 256, np.int32), np.zeros((4, 6), np.int32), 64 * 96)


def test_uniform_motion_inverts_to_its_negative():
    inverse = invert(field(16, -8), residual(), 5)
    assert inverse.reference == 5
    assert np.allclose(inverse.vectors, (-16, 8))


def test_where_two_blocks_meet_the_better_predicted_one_is_right():
    forward = field(0, 0)
    forward.vectors[0:2, 4:6] = (16, 0)  # an object that was two blocks further right
    better, worse = residual(), residual()
    better.sums[0, 3] = worse.sums[0, 2] = 999  # of the ground there, of the object
    assert np.allclose(invert(forward, better, 1).vectors[0, 6], (-16, 0))
    assert np.allclose(invert(forward, worse, 1).vectors[0, 6], (0, 0))


def test_there_and_back_is_home():
    rng = np.random.default_rng(0)
    forward = field(0, 0)
    forward.vectors[:] = np.repeat(np.repeat(rng.integers(-1, 2, (2, 3, 2)), 4, 0), 4, 1) * 8
    inverse = invert(forward, residual(), 1)
    home = 0
    for i in range(BLOCKS[0]):
        for j in range(BLOCKS[1]):
            y, x = i + int(forward.vectors[i, j, 1]) // 8, j + int(forward.vectors[i, j, 0]) // 8
            if 0 <= y < BLOCKS[0] and 0 <= x < BLOCKS[1]:
                home += np.allclose(inverse.vectors[y, x], -forward.vectors[i, j])
    assert home > 0.6 * BLOCKS[0] * BLOCKS[1]


def test_doubt_adds_up_and_fades():
    doubt = no_doubt(CELLS)
    for _ in range(3):
        doubt = accumulate(residual(4), [(field(0, 0), doubt)], SIZE)
    assert np.allclose(doubt, 4 * (1 + LEAK + LEAK**2))
    assert np.allclose(doubt_of(residual(4), CELLS, SIZE), 4)


def test_doubt_comes_along_with_the_motion():
    before = no_doubt(CELLS)
    before[:, 20:] = 10
    assert np.allclose(carry(before, field(16, 0), SIZE)[:, 16:20], 10)
    both = accumulate(residual(), [(field(16, 0, weight=0.5), before), (field(0, 0, weight=0.5), before)], SIZE)
    assert np.allclose(both[:, 16:20], LEAK * 5)


@pytest.mark.parametrize(("place", "doubts", "share"), [(0.25, (0, 0), 0.75), (0.5, (0, 0), 0.5), (0.5, (100, 0), 0.0)])
def test_fusion_weighs_distance_and_trust(place, doubts, share):
    one, other = torch.zeros(2, *CELLS), torch.zeros(2, *CELLS)
    one[0], other[1] = 1, 1
    maps = tuple(np.full(CELLS, d, np.float32) for d in doubts)
    fused = fuse(Carried(one), Carried(other), place, maps)
    assert torch.allclose(fused.scores[0], torch.tensor(share), atol=1e-3)
