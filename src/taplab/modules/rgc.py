r"""Residual-guided correction (Sec. 3.3): the region where warping failed most is given to the network."""

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from taplab.types import RESIDUAL_BLOCK, Region, Residual


def region_size(frame: tuple[int, int], wanted: tuple[int, int] | None = None) -> tuple[int, int]:
    """What is wanted, as far as the frame goes; all sizes are (rows, columns) in pixels.

    Where nothing is, the paper's 512x512 of 1024x2048, scaled: a square of half the height, in whole blocks.
    """
    if wanted is not None:
        return min(wanted[0], frame[0]), min(wanted[1], frame[1])
    side = -(-frame[0] // 2 // RESIDUAL_BLOCK) * RESIDUAL_BLOCK
    widest = frame[1] // RESIDUAL_BLOCK * RESIDUAL_BLOCK
    return min(side, frame[0]), min(side, widest) or frame[1]


def region_and_stride(
    frame: tuple[int, int], region: tuple[int, int] | None, stride: tuple[int, int] | None
) -> tuple[tuple[int, int], tuple[int, int]]:
    """``region_size`` and, where no stride is wanted, the paper's: half of that."""
    size = region_size(frame, region)
    return size, stride or (size[0] // 2, size[1] // 2)


def choose_region(residual: Residual, frame: tuple[int, int], size: tuple[int, int], stride: tuple[int, int]) -> Region:
    r"""``argmax_i #{p in R_i : |Res[p]| > THR_RGC}`` over overlapping regions (Eq. 3).

    frame, size, stride: (rows, columns) in pixels; size and stride are used in whole 16x16 blocks. Ties go to the
    first region in reading order.
    """
    return region_of_most(residual.counts, frame, size, stride)


def region_of_most(
    blocks: NDArray[np.int32] | NDArray[np.float32],
    frame: tuple[int, int],
    size: tuple[int, int],
    stride: tuple[int, int],
) -> Region:
    """The region with the highest sum over its 16x16 ``blocks``; see ``choose_region``.

    One look into a summed-area table for each region.
    """
    exact = np.int64 if np.issubdtype(blocks.dtype, np.integer) else np.float64
    table = np.zeros((blocks.shape[0] + 1, blocks.shape[1] + 1), exact)
    table[1:, 1:] = blocks.astype(exact).cumsum(0).cumsum(1)
    height, width = (-(-s // RESIDUAL_BLOCK) for s in size)
    tops = _starts(-(-frame[0] // RESIDUAL_BLOCK), height, max(stride[0] // RESIDUAL_BLOCK, 1))
    lefts = _starts(-(-frame[1] // RESIDUAL_BLOCK), width, max(stride[1] // RESIDUAL_BLOCK, 1))
    bottoms, rights = np.minimum(tops + height, len(table) - 1), np.minimum(lefts + width, len(table[0]) - 1)
    counts = (
        table[np.ix_(bottoms, rights)]
        - table[np.ix_(tops, rights)]
        - table[np.ix_(bottoms, lefts)]
        + table[np.ix_(tops, lefts)]
    )
    i, j = np.unravel_index(int(counts.argmax()), counts.shape)
    # The last region ends with the frame, which may be no whole number of blocks.
    top, left = int(tops[i]) * RESIDUAL_BLOCK, int(lefts[j]) * RESIDUAL_BLOCK
    return Region(min(top, frame[0] - size[0]), min(left, frame[1] - size[1]), *size)


def _starts(blocks: int, size: int, stride: int) -> NDArray[np.int64]:
    """First blocks of regions every ``stride``, and of the one that ends at the border."""
    last = max(blocks - size, 0)
    return np.unique(np.append(np.arange(0, last + 1, stride), last))


def blend(warped: Tensor, corrected: Tensor, region: Region, frame: tuple[int, int], alpha: float) -> Tensor:
    r"""Inside the region ``F = (1 - a) F_warp + a F_cnn`` (Eq. 6), outside the warped scores.

    warped ``[C, h, w]``; corrected ``[C, rh, rw]``, the network's scores of the crop; frame (H, W) in pixels.
    """
    rows, columns = cells_of(region, frame, (warped.shape[-2], warped.shape[-1]))
    out = warped.clone()
    out[:, rows, columns] *= 1 - alpha
    out[:, rows, columns] += alpha * fitted(corrected, (rows.stop - rows.start, columns.stop - columns.start))
    return out


def cells_of(region: Region, frame: tuple[int, int], cells: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of a region of the frame (H, W) in its score map of so many ``cells`` (h, w)."""
    rows = (round(y * cells[0] / frame[0]) for y in (region.top, region.top + region.height))
    columns = (round(x * cells[1] / frame[1]) for x in (region.left, region.left + region.width))
    return slice(*rows), slice(*columns)


def fitted(scores: Tensor, cells: tuple[int, int]) -> Tensor:
    """``[C, h, w]`` on so many rows and columns."""
    if tuple(scores.shape[-2:]) == cells:
        return scores
    return F.interpolate(scores[None], cells, mode="bilinear", align_corners=False)[0]
