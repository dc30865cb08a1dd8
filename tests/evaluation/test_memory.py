import mmap

import pytest

from taplab.evaluation.memory import forget_peak, peak_memory


def test_a_peak_is_seen_and_forgotten():
    if not forget_peak():
        pytest.skip("this system cannot forget a peak")
    before = peak_memory()
    many = mmap.mmap(-1, 100_000_000)  # of its own: what was freed before is not taken again
    for _ in range(100):
        many.write(b"1" * 1_000_000)
    assert peak_memory() - before > 90_000_000
    many.close()
    assert peak_memory() - before > 90_000_000
    assert forget_peak()
    assert peak_memory() - before < 50_000_000
