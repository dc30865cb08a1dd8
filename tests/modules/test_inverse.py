import numpy as np

from taplab.modules.inverse import invert
from taplab.types import MotionField

BLOCKS = (8, 12)


def field(dx, dy):
    vectors = np.full((*BLOCKS, 2), (dx, dy), np.float32)
    return MotionField(0, vectors, np.ones(BLOCKS, np.float32))


def test_uniform_motion_inverts_to_its_negative():
    inverse = invert(field(16, -8), 5)
    assert inverse.reference == 5
    assert np.allclose(inverse.vectors, (-16, 8))


def test_where_two_blocks_meet_the_one_that_moves_stands():
    forward = field(0, 0)
    forward.vectors[0:2, 4:6] = (16, 0)  # an object that was two blocks further right, over ground at rest
    assert np.allclose(invert(forward, 1).vectors[0:2, 6:8], (-16, 0))


def test_there_and_back_is_home():
    rng = np.random.default_rng(0)
    forward = field(0, 0)
    forward.vectors[:] = np.repeat(np.repeat(rng.integers(-1, 2, (2, 3, 2)), 4, 0), 4, 1) * 8
    inverse = invert(forward, 1)
    home = 0
    for i in range(BLOCKS[0]):
        for j in range(BLOCKS[1]):
            y, x = i + int(forward.vectors[i, j, 1]) // 8, j + int(forward.vectors[i, j, 0]) // 8
            if 0 <= y < BLOCKS[0] and 0 <= x < BLOCKS[1]:
                home += np.allclose(inverse.vectors[y, x], -forward.vectors[i, j])
    assert home > 0.6 * BLOCKS[0] * BLOCKS[1]


def test_vectors_that_all_leave_the_picture_are_just_turned_round():
    assert np.allclose(invert(field(500, 0), 1).vectors, (-500, 0))
