"""Looking ahead: scores warped forward from the last key frame and backward from the next one, fused by trust.

The codec's vectors point to the past. To warp backward they are inverted (``invert``). How far a warped score can be
trusted falls with the distance to its key frame and with the residual that it met on the way (``accumulate``).
"""

from collections.abc import Sequence

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray

from taplab.modules.ffw import Carried, to_cells
from taplab.types import MOTION_BLOCK, RESIDUAL_BLOCK, MotionField, Residual
from taplab.video.motion import fill_from_nearest

Doubt = NDArray[np.float32]  # [h, w], residual in grey levels a pixel that a score cell met on its way, fading

LEAK = 0.8  # of the doubt of one frame that is left in the next
DOUBT_SCALE = 10.0  # grey levels: doubt at which trust has fallen to 1 / e


def invert(field: MotionField, residual: Residual, frame: int) -> MotionField:
    """Where each block of the *reference* goes in ``frame``, from where each block of ``frame`` comes from.

    Every block is moved to where it comes from and leaves its negated vector there. Where several meet, the one
    with the least residual is right; blocks that none reaches (they get covered) take the nearest vector.
    """
    vectors, hit = np.zeros_like(field.vectors), np.zeros(field.weight.shape, np.bool_)
    _splat(field.vectors, residual.sums, vectors, hit)
    fill_from_nearest(vectors, hit)
    return MotionField(frame, vectors, np.ones_like(field.weight))


def doubt_of(residual: Residual, cells: tuple[int, int], size: tuple[int, int]) -> Doubt:
    """The residual of each score cell's block, grey levels a pixel."""
    means = residual.sums.astype(np.float32) * np.float32(1 / RESIDUAL_BLOCK**2)
    return to_cells(means, cells, size, RESIDUAL_BLOCK)


def no_doubt(cells: tuple[int, int]) -> Doubt:
    """Of scores fresh from the network."""
    return np.zeros(cells, np.float32)


def accumulate(residual: Residual, sources: Sequence[tuple[MotionField, Doubt]], size: tuple[int, int]) -> Doubt:
    """A frame's doubt: its own residual plus what is left of that of its references, where it comes from."""
    cells = sources[0][1].shape[0], sources[0][1].shape[1]
    total = doubt_of(residual, cells, size)
    for field, doubt in sources:
        share = LEAK if len(sources) == 1 else LEAK * to_cells(field.weight, cells, size, MOTION_BLOCK)
        total += share * carry(doubt, field, size)
    return total


def carry(values: Doubt, field: MotionField, size: tuple[int, int]) -> Doubt:
    """``values`` ``[h, w]`` of the field's reference, at the nearest cell to where each cell comes from."""
    out = np.empty_like(values)
    scale = values.shape[0] / size[0], values.shape[1] / size[1]  # cells a pixel
    _carry(values, field.vectors, scale, out)
    return out


def fuse(forward: Carried, backward: Carried, place: float, doubts: tuple[Doubt, Doubt]) -> Carried:
    """The mean of both, weighted in every cell by distance and trust; both hold probabilities, not raw scores.

    place: of the frame between its key frames, 0 at the last one and 1 at the next. doubts: of forward and backward.
    """
    ahead = (1 - place) * np.exp(-doubts[0] / DOUBT_SCALE)
    back = place * np.exp(-doubts[1] / DOUBT_SCALE)
    share = torch.from_numpy(ahead / np.maximum(ahead + back, 1e-12))
    one, other = forward.scores, backward.scores
    return Carried(torch.lerp(other, one, share.to(one.device, one.dtype)))


@njit(cache=True, nogil=True)
def _splat(
    vectors: NDArray[np.float32], sums: NDArray[np.int32], out: NDArray[np.float32], hit: NDArray[np.bool_]
) -> None:  # pragma: no cover - compiled
    rows, cols = hit.shape
    least = np.full((rows, cols), np.iinfo(np.int32).max, np.int32)
    for i in range(rows):
        for j in range(cols):
            y = i + int(np.rint(vectors[i, j, 1] / MOTION_BLOCK))
            x = j + int(np.rint(vectors[i, j, 0] / MOTION_BLOCK))
            if 0 <= y < rows and 0 <= x < cols and sums[i // 2, j // 2] < least[y, x]:
                least[y, x] = sums[i // 2, j // 2]
                out[y, x, 0], out[y, x, 1] = -vectors[i, j, 0], -vectors[i, j, 1]
                hit[y, x] = True


@njit(cache=True, nogil=True)
def _carry(
    values: Doubt, vectors: NDArray[np.float32], scale: tuple[float, float], out: Doubt
) -> None:  # pragma: no cover - compiled
    rows, cols = out.shape
    for i in range(rows):
        a = int((i + 0.5) / (scale[0] * MOTION_BLOCK))
        for j in range(cols):
            b = int((j + 0.5) / (scale[1] * MOTION_BLOCK))
            y = min(max(int(np.rint(i + vectors[a, b, 1] * scale[0])), 0), rows - 1)
            x = min(max(int(np.rint(j + vectors[a, b, 0] * scale[1])), 0), cols - 1)
            out[i, j] = values[y, x]
