import numpy as np
import pytest

from taplab.evaluation.memory import forget_peak, peak_memory


def test_a_peak_is_seen_and_forgotten():
    if not forget_peak():
        pytest.skip("this system cannot forget a peak")
    before = peak_memory()
    many = np.ones(100_000_000, np.uint8)
    assert peak_memory() - before > 90_000_000
    del many
    assert peak_memory() - before > 90_000_000
    assert forget_peak()
    assert peak_memory() - before < 50_000_000
