import numpy as np
import pytest

from taplab.modules.rgfs import is_hard_to_warp, residual_score
from taplab.types import Residual


def flat(level, height=1024, width=2048):
    shape = (height // 16, width // 16)
    return Residual(np.full(shape, level * 256, np.int32), np.zeros(shape, np.int32), height * width)


def test_the_score_is_eq_4_per_pixel():
    assert residual_score(flat(3)) == 3.0


def test_the_paper_s_raw_thresholds():
    assert residual_score(flat(6), "sum") == pytest.approx(6 * 3 * 1024 * 2048)
    assert is_hard_to_warp(flat(6), 3.6e7, "sum")
    assert not is_hard_to_warp(flat(5), 3.6e7, "sum")
    assert is_hard_to_warp(flat(6), 5.7)
    assert not is_hard_to_warp(flat(5), 5.7)


def test_sums_of_large_frames_do_not_overflow():
    assert residual_score(flat(255, 4320, 7680), "sum") == pytest.approx(255 * 3 * 4320 * 7680)
