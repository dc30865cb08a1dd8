"""From small score maps to labels at full size, without the full-size score map.

Bilinear upsampling mixes four neighbouring score vectors. If the four have the same best class, so has every
mixture of them: the labels of the whole cell are known. Only cells on label borders are interpolated, and there
only the classes that can win: those whose best corner reaches the best of the others' worst corners.
"""

import numpy as np
import torch
import torch.nn.functional as F
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from taplab.types import Labels


def labels_from_scores(scores: Tensor, size: tuple[int, int]) -> Labels:
    """Argmax of ``scores`` ``[C, h, w]`` upsampled bilinearly (half-pixel centres) to ``size``: uint8 ``[H, W]``."""
    if tuple(scores.shape[-2:]) == size:
        same: Labels = scores.argmax(0).to(torch.uint8).cpu().numpy()
        return same
    # Below this the shortcut has nothing to skip; on a GPU the plain way is the fast one.
    if scores.device.type != "cpu" or size[0] < scores.shape[-2] or size[1] < scores.shape[-1]:
        return _plain(scores, size)
    out = np.empty(size, np.uint8)
    _fill(scores.float().contiguous().numpy(), _taps(size[0], scores.shape[-2]), _taps(size[1], scores.shape[-1]), out)
    return out


def _plain(scores: Tensor, size: tuple[int, int]) -> Labels:
    upsampled = F.interpolate(scores[None].float(), size, mode="bilinear", align_corners=False)[0]
    labels: Labels = upsampled.argmax(0).to(torch.uint8).cpu().numpy()
    return labels


def _taps(pixels: int, cells: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """First pixel of each interval between neighbouring cell centres, ``[cells + 1]``, and each pixel's place in it."""
    position = (np.arange(pixels, dtype=np.float32) + np.float32(0.5)) * np.float32(cells / pixels) - np.float32(0.5)
    position = np.clip(position, 0, cells - 1)
    cell = np.minimum(position.astype(np.int32), max(cells - 2, 0))
    starts = np.searchsorted(cell, np.arange(cells + 1)).astype(np.int32)
    return starts, (position - cell).astype(np.float32)


@njit(cache=True, nogil=True)
def _fill(
    scores: NDArray[np.float32],
    vertical: tuple[NDArray[np.int32], NDArray[np.float32]],
    horizontal: tuple[NDArray[np.int32], NDArray[np.float32]],
    out: Labels,
) -> None:  # pragma: no cover - compiled
    classes, rows, cols = scores.shape
    ys, wy = vertical
    xs, wx = horizontal
    upper, lower = np.empty(cols, np.int32), np.empty(cols, np.int32)  # as wide as the scores: that vectorises
    best = np.empty(cols, np.float32)
    can_win = np.empty(classes, np.int32)
    sides = np.empty((2, classes), np.float32)
    _argmax_row(scores, 0, best, lower)
    for i in range(max(rows - 1, 1)):
        upper, lower = lower, upper
        below, span = min(i + 1, rows - 1), range(ys[i], ys[i + 1])
        _argmax_row(scores, below, best, lower)
        j, last = 0, max(cols - 1, 1)
        while j < last:
            end = _end_of_run(upper, lower, j)
            if end > j:
                for y in span:
                    out[y, xs[j] : xs[end]] = np.uint8(upper[j])
                j = end
                continue
            right = min(j + 1, cols - 1)
            n = _candidates(scores, i, below, j, right, can_win)
            for y in span:
                for k in range(n):
                    top, bottom = scores[can_win[k], i], scores[can_win[k], below]
                    sides[0, k] = top[j] * (1 - wy[y]) + bottom[j] * wy[y]
                    sides[1, k] = top[right] * (1 - wy[y]) + bottom[right] * wy[y]
                for x in range(xs[j], xs[j + 1]):
                    out[y, x] = can_win[_winner(sides, n, wx[x])]
            j += 1


@njit(cache=True, nogil=True)
def _end_of_run(upper: NDArray[np.int32], lower: NDArray[np.int32], start: int) -> int:  # pragma: no cover - compiled
    """First cell from ``start`` on whose four corners do not all have the best class of the run's first corner."""
    label, cols = upper[start], len(upper)
    if lower[start] != label:
        return start
    j = start
    while j + 1 < cols and upper[j + 1] == label and lower[j + 1] == label:
        j += 1
    return j if cols > 1 else 1


@njit(cache=True, nogil=True)
def _argmax_row(
    scores: NDArray[np.float32], row: int, best: NDArray[np.float32], label: NDArray[np.int32]
) -> None:  # pragma: no cover - compiled
    best[:] = scores[0, row]
    label[:] = 0
    for c in range(1, scores.shape[0]):
        values = scores[c, row]
        for j in range(len(label)):
            better = values[j] > best[j]
            best[j] = values[j] if better else best[j]
            label[j] = np.int32(c) if better else label[j]


@njit(cache=True, nogil=True)
def _candidates(
    scores: NDArray[np.float32], i: int, below: int, j: int, right: int, can_win: NDArray[np.int32]
) -> int:  # pragma: no cover - compiled
    """Classes that can win somewhere in the cell. Returns how many."""
    floor = np.float32(-np.inf)  # some class has at least this everywhere in the cell
    for c in range(scores.shape[0]):
        a, b, d, e = scores[c, i, j], scores[c, i, right], scores[c, below, j], scores[c, below, right]
        floor = max(floor, min(min(a, b), min(d, e)))
    n = 0
    for c in range(scores.shape[0]):
        a, b, d, e = scores[c, i, j], scores[c, i, right], scores[c, below, j], scores[c, below, right]
        if max(max(a, b), max(d, e)) >= floor:
            can_win[n] = c
            n += 1
    return n


@njit(cache=True, nogil=True, inline="always")
def _winner(sides: NDArray[np.float32], n: int, weight: float) -> int:  # pragma: no cover - compiled
    """The best of the first ``n`` candidates between their scores at the left and the right side of the cell."""
    best, winner = sides[0, 0] * (1 - weight) + sides[1, 0] * weight, 0
    for k in range(1, n):
        value = sides[0, k] * (1 - weight) + sides[1, k] * weight
        if value > best:
            best, winner = value, k
    return winner
