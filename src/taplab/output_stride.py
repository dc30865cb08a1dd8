"""Score maps as fine as is worth carrying, whatever the network's output stride.

What is carried is compared cell by cell, so its cost grows with the cells. Many networks end with an upsampling to full
size, others leave that to the user; carried is at a stride of 2 to 4 pixels, of 4 in large pictures. Measured with
``benchmarks/strides.py``: a stride of 2 loses nothing, 4 a point or two of which ``edges`` bring back most; from 8 on
two or three are won by upsampling first.
"""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from taplab.compiled import njit

COARSEST = 4  # pixels along a side of a cell
LARGE = 2**20  # pixels, above 720p: beyond, the finest is the coarsest


def resampled(scores: Tensor, size: tuple[int, int]) -> Tensor:
    """Scores ``[N, C, h, w]`` of pictures of ``size`` (rows, columns): averaged if too fine, bicubic if too coarse.

    Rows and columns are joined or divided by about whole numbers each; where nothing is to do, it is the same tensor.
    """
    rows, columns = scores.shape[-2:]
    joined = _joined((rows, columns), size)
    if joined == (1, 1):
        return _divided(scores, size)
    if rows % joined[0] == columns % joined[1] == 0:
        return _divided(F.avg_pool2d(scores, joined), size)
    # Cells of one size, for that is what all others take them for: a smaller last one would displace those before it.
    return _divided(F.adaptive_avg_pool2d(scores, _cells((rows, columns), joined)), size)


def shares(numbers: Tensor, classes: int, size: tuple[int, int]) -> Tensor:
    """``resampled`` of scores of 1 for the class that is named and 0 for the others, which are not made.

    numbers: uint8 ``[N, h, w]``, below ``classes``. Returns float32 ``[N, C, h', w']``.
    """
    cells = _cells(numbers.shape[-2:], _joined(numbers.shape[-2:], size))
    out = np.zeros((len(numbers), classes, *cells), np.float32)
    _count(numbers.cpu().contiguous().numpy(), out)
    return _divided(torch.from_numpy(out), size)


def _joined(cells: tuple[int, ...], size: tuple[int, int]) -> tuple[int, int]:
    """How many rows and columns become one."""
    finest = 2 if size[0] * size[1] <= LARGE else COARSEST
    return max(finest * cells[0] // size[0], 1), max(finest * cells[1] // size[1], 1)


def _cells(cells: tuple[int, ...], joined: tuple[int, int]) -> tuple[int, int]:
    """How many rows and columns are left."""
    return -(-cells[0] // joined[0]), -(-cells[1] // joined[1])


def _divided(scores: Tensor, size: tuple[int, int]) -> Tensor:
    cells = [n * max(pixels // (COARSEST * n), 1) for n, pixels in zip(scores.shape[-2:], size, strict=True)]
    if cells == list(scores.shape[-2:]):
        return scores
    return F.interpolate(scores, cells, mode="bicubic", align_corners=False)


@njit(cache=True, nogil=True)
def _count(numbers: NDArray[np.uint8], out: NDArray[np.float32]) -> None:  # pragma: no cover - compiled
    """Adds each pixel's share to its class in its cell; one on the line between two is in both, as torch has it."""
    rows, columns = numbers.shape[1:]
    pictures, _, high, wide = out.shape
    for n in range(pictures):
        for i in range(high):
            top, bottom = i * rows // high, -(-(i + 1) * rows // high)
            for j in range(wide):
                left, right = j * columns // wide, -(-(j + 1) * columns // wide)
                share = np.float32(1 / ((bottom - top) * (right - left)))
                for y in range(top, bottom):
                    for x in range(left, right):
                        out[n, numbers[n, y, x], i, j] += share
