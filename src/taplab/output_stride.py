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

    Rows and columns are joined or divided by whole numbers each; where nothing is to do, it is the same tensor.
    """
    joined = _joined(scores.shape[-2:], size)
    if joined != (1, 1):
        scores = F.avg_pool2d(scores, joined, ceil_mode=True, count_include_pad=False)
    return _divided(scores, size)


def shares(numbers: Tensor, classes: int, size: tuple[int, int]) -> Tensor:
    """``resampled`` of scores of 1 for the class that is named and 0 for the others, which are not made.

    numbers: uint8 ``[N, h, w]``, below ``classes``. Returns float32 ``[N, C, h', w']``.
    """
    joined = _joined(numbers.shape[-2:], size)
    cells = [-(-n // k) for n, k in zip(numbers.shape[-2:], joined, strict=True)]
    out = np.zeros((len(numbers), classes, *cells), np.float32)
    _count(numbers.cpu().contiguous().numpy(), joined, out)
    return _divided(torch.from_numpy(out), size)


def _joined(cells: tuple[int, ...], size: tuple[int, int]) -> tuple[int, int]:
    """How many rows and columns become one."""
    finest = 2 if size[0] * size[1] <= LARGE else COARSEST
    return max(finest * cells[0] // size[0], 1), max(finest * cells[1] // size[1], 1)


def _divided(scores: Tensor, size: tuple[int, int]) -> Tensor:
    cells = [n * max(pixels // (COARSEST * n), 1) for n, pixels in zip(scores.shape[-2:], size, strict=True)]
    if cells == list(scores.shape[-2:]):
        return scores
    return F.interpolate(scores, cells, mode="bicubic", align_corners=False)


@njit(cache=True, nogil=True)
def _count(
    numbers: NDArray[np.uint8], joined: tuple[int, int], out: NDArray[np.float32]
) -> None:  # pragma: no cover - compiled
    """Adds each pixel's share to its class in its cell; cells at the end may be smaller."""
    pictures, rows, columns = numbers.shape
    for n in range(pictures):
        for y in range(rows):
            i = y // joined[0]
            high = min(joined[0], rows - i * joined[0])
            for x in range(columns):
                j = x // joined[1]
                wide = min(joined[1], columns - j * joined[1])
                out[n, numbers[n, y, x], i, j] += np.float32(1 / (high * wide))
