"""A picture at half its size, and half of that, and so on: large motion is small in small pictures."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from taplab.compiled import njit
from taplab.types import Plane
from taplab.video.sad import SIDE

LEVELS = 3  # at 1/2, 1/4 and 1/8 of the size
BORDER = 16  # pixels around each level, of the picture's outermost: vectors may lead so far out of it

Pyramid = tuple[Plane, ...]  # finest first; whole 8x8 blocks within the border


def pyramid(luma: Plane) -> Pyramid:
    """The levels of a picture, uint8 ``[H, W]``; each pixel is the mean of 2x2 of the level before."""
    levels: list[Plane] = []
    for _ in range(LEVELS):
        rows, cols = -(-luma.shape[0] // 2), -(-luma.shape[1] // 2)
        level = np.empty((-(-rows // SIDE) * SIDE + 2 * BORDER, -(-cols // SIDE) * SIDE + 2 * BORDER), np.uint8)
        luma = _halve(luma, level[BORDER : BORDER + rows, BORDER : BORDER + cols])
        _surround(level, rows, cols)
        levels.append(level)
    return tuple(levels)


@dataclass(eq=False)
class Layered:
    """A picture, uint8 ``[H, W]``, whose pyramid is built once, where it is asked for."""

    luma: Plane

    @cached_property
    def levels(self) -> Pyramid:
        """See ``pyramid``."""
        return pyramid(self.luma)


def blocks(size: tuple[int, int], level: int) -> tuple[int, int]:
    """Rows and columns of 8x8 blocks in a level of pictures of ``size`` (rows, columns) pixels."""
    side = SIDE << (level + 1)
    return -(-size[0] // side), -(-size[1] // side)


@njit(cache=True, nogil=True)
def _halve(luma: Plane, out: Plane) -> Plane:  # pragma: no cover - compiled
    """Two rows at a time, then pairs of their sums; odd sizes repeat the last row and column."""
    height, width = luma.shape
    rows, cols = out.shape
    sums = np.empty(2 * cols, np.uint16)
    for i in range(rows):
        upper, lower = luma[2 * i], luma[min(2 * i + 1, height - 1)]
        for x in range(width):
            sums[x] = np.uint16(upper[x]) + np.uint16(lower[x])
        if width < 2 * cols:
            sums[width] = sums[width - 1]
        row = out[i]
        for j in range(cols):
            four = np.uint16(np.uint16(sums[2 * j] + sums[2 * j + 1]) + np.uint16(2))
            row[j] = np.uint8(four >> np.uint16(2))
    return out


@njit(cache=True, nogil=True)
def _surround(level: Plane, rows: int, cols: int) -> None:  # pragma: no cover - compiled
    """Repeats the outermost pixels beyond the ``rows`` x ``cols`` of the picture."""
    bottom, right = BORDER + rows, BORDER + cols
    for i in range(BORDER, bottom):
        level[i, :BORDER] = level[i, BORDER]
        level[i, right:] = level[i, right - 1]
    for i in range(BORDER):
        level[i] = level[BORDER]
    for i in range(bottom, level.shape[0]):
        level[i] = level[bottom - 1]
