"""Each operation against what it says, written out in numpy."""

import numpy as np
import pytest
from numba import njit

from taplab.scoremap import simd

F = np.float32
VALUES = np.random.default_rng(0).uniform(-9, 9, 40).astype(np.float32)


@njit
def _copied(array, start, out, at):
    simd.store(out, at, simd.load4(array, start))
    simd.store(out, at + 4, simd.load8(array, start + 4))


@njit
def _swapped(array, out):
    simd.store(out, 0, simd.last4(simd.load8(array, 2)))
    simd.store(out, 4, simd.first4(simd.load8(array, 2)))


@njit
def _combined(array, out, share):
    simd.store(out, 0, simd.add_scaled(simd.load8(array, 1), simd.load8(array, 11), share))
    simd.store(out, 8, simd.mixed(simd.load8(array, 1), simd.load8(array, 11), share))
    simd.store(out, 16, simd.vector4(array[3], share, array[5], array[1]))
    simd.store(out, 20, simd.apart(simd.load8(array, 1), simd.load8(array, 11)))


@njit
def _kept(array, rounds):
    """A vector in a variable that a loop changes."""
    total = simd.load4(array, 0)
    for k in range(rounds):
        total = simd.add_scaled(total, simd.load4(array, 4 * k), np.float32(2))
    return simd.distance(total, simd.load4(array, 0))


@pytest.mark.parametrize(("start", "at"), [(0, 0), (3, 1), (28, 28)])
def test_loads_and_stores_at_any_place(start, at):
    out = np.zeros(40, np.float32)
    _copied(VALUES, start, out, at)
    expected = np.zeros(40, np.float32)
    expected[at : at + 12] = VALUES[start : start + 12]
    np.testing.assert_array_equal(out, expected)


def test_halves():
    out = np.empty(8, np.float32)
    _swapped(VALUES, out)
    np.testing.assert_array_equal(out, [*VALUES[6:10], *VALUES[2:6]])


def test_sums_and_mixtures():
    out, share = np.empty(28, np.float32), F(0.3)
    _combined(VALUES, out, share)
    first, second = VALUES[1:9], VALUES[11:19]
    np.testing.assert_allclose(out[:8], first + second * share, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(out[8:16], first * (1 - share) + second * share, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(out[16:20], [VALUES[3], share, VALUES[5], VALUES[1]])
    np.testing.assert_array_equal(out[20:], np.abs(first - second))


@pytest.mark.parametrize("rounds", [0, 1, 5])
def test_three_lanes_count_for_the_distance(rounds):
    expected = np.abs(2 * VALUES[: 4 * rounds].reshape(rounds, 4).sum(0))[:3].sum()
    assert _kept(VALUES, rounds) == pytest.approx(expected, rel=1e-5)
