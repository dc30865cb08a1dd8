"""Band-limited texture: everything here fades out where one pixel covers more than the detail."""

from collections.abc import Callable
from functools import lru_cache
from typing import ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from taplab.compiled import njit

P = ParamSpec("P")
R = TypeVar("R")

TILE = 256  # texels along the finest level of the noise tile
_LEVELS = np.arange(9)
_SCALES = 0.5**_LEVELS
_STARTS = (4 * TILE * TILE - ((4 * TILE * TILE) >> (2 * _LEVELS))) // 3  # where each level begins
_SHIFT = 2.0**26 - 0.5  # whole tiles, so that positions are positive and cut to integers fast; texels have middles


def routine(function: Callable[P, R]) -> Callable[P, R]:
    """Compiles a whole pass on first call and keeps the machine code on disk."""
    compiled: Callable[P, R] = njit(cache=True, nogil=True, error_model="numpy")(function)
    return compiled


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """What runs once a pixel: merged into the routines that call it, since views and lights are big to pass."""
    compiled: Callable[P, R] = njit(nogil=True, error_model="numpy", forceinline=True)(function)
    return compiled


@lru_cache(maxsize=1)
def noise_tile() -> NDArray[np.float32]:
    """Seamless noise of mean 0 and deviation 1, all halvings of 256x256 down to 1x1 one after another."""
    spectrum = np.fft.rfft2(np.random.default_rng(7).standard_normal((TILE, TILE)))
    frequency = np.hypot(np.fft.fftfreq(TILE)[:, None], np.fft.rfftfreq(TILE)[None]) * TILE
    level = np.fft.irfft2(spectrum * (frequency > 0) / (frequency + 4) ** 0.9)
    level /= level.std()
    levels = []
    while True:
        levels.append(level.astype(np.float32).ravel())
        if len(level) == 1:
            return np.concatenate(levels)
        level = (level[::2, ::2] + level[1::2, ::2] + level[::2, 1::2] + level[1::2, 1::2]) / 4


@kernel
def texel(tile: NDArray[np.float32], level: int, u: float, v: float) -> float:
    """The tile at (u, v), in texels of the finest level, interpolated in one level."""
    size = TILE >> level
    u = u * _SCALES[level] + _SHIFT
    v = v * _SCALES[level] + _SHIFT
    column, row = int(u), int(v)
    fu, fv = u - column, v - row
    mask = size - 1
    left, right = column & mask, (column + 1) & mask
    above = _STARTS[level] + (row & mask) * size
    below = _STARTS[level] + ((row + 1) & mask) * size
    upper = tile[above + left] + (tile[above + right] - tile[above + left]) * fu
    lower = tile[below + left] + (tile[below + right] - tile[below + left]) * fu
    return float(upper + (lower - upper) * fv)


@kernel
def noise(tile: NDArray[np.float32], u: float, v: float, footprint: float) -> float:
    """Noise at (u, v) averaged over ``footprint``; all in texels."""
    if footprint <= 1.0:
        return texel(tile, 0, u, v)
    if footprint >= 128.0:
        return 0.0
    level = 0
    while footprint >= 2.0:
        footprint *= 0.5
        level += 1
    fine = texel(tile, level, u, v)
    return fine + (texel(tile, level + 1, u, v) - fine) * (footprint - 1.0)


@kernel
def chance(a: int, b: int, seed: int) -> float:
    """A number in 0..1 that belongs to the cell (a, b)."""
    h = (a * 374761393 + b * 668265263 + seed * 974634777) & 0xFFFFFFFF
    h = ((h ^ (h >> 13)) * 1274126177) & 0xFFFFFFFF
    return ((h ^ (h >> 16)) & 0xFFFF) / 65535.0


@kernel
def _covered(x: float, period: float, width: float) -> float:
    whole = np.floor(x / period)
    return float(whole * width + min(x - whole * period, width))


@kernel
def stripes(x: float, footprint: float, period: float, width: float) -> float:
    """Share of x ± footprint / 2 that lies in stripes [0, width) of every ``period``."""
    half = 0.5 * footprint
    return (_covered(x + half, period, width) - _covered(x - half, period, width)) / footprint


@kernel
def band(x: float, footprint: float, start: float, end: float) -> float:
    """Share of x ± footprint / 2 that lies in [start, end]."""
    half = 0.5 * footprint
    return max(0.0, min(x + half, end) - max(x - half, start)) / footprint


@kernel
def mix(a: float, b: float, share: float) -> float:
    """``a`` where share is 0, ``b`` where it is 1."""
    return a + (b - a) * share
