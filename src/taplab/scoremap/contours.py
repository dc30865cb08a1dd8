"""From small score maps to labels at full size, without the full-size score map: on a CPU.

Bilinear upsampling mixes four neighbouring score vectors. If the four have the same best class, so has every
mixture of them: the labels of the whole cell are known. Only cells on label borders are interpolated, and there
only the classes that can win: those whose best corner reaches the best of the others' worst corners.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from taplab.compiled import njit
from taplab.types import Labels

_Taps = tuple[NDArray[np.int32], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Contours:
    """All that the labels of a frame depend on.

    best: uint8 ``[h, w]``, the best class of each cell. scores: float32 ``[h, w, C or more]``, of ``classes`` classes;
    only those of cells are looked at that have a neighbour of another class, among the eight. colours: mean Y, U and V
    of each cell, float32 ``[h, w, 4]``, if they are known.
    """

    best: Labels
    scores: NDArray[np.float32]
    classes: int
    colours: NDArray[np.float32] | None = None

    def at(self, size: tuple[int, int]) -> Labels:
        """Argmax of the scores upsampled bilinearly (half-pixel centres) to ``size``: uint8."""
        rows, columns = self.best.shape
        out = np.empty(size, np.uint8)
        _fill(self.best, self.scores, self.classes, taps(size[0], rows), taps(size[1], columns), out)
        return out


def grows(cells: tuple[int, ...], size: tuple[int, int]) -> bool:
    """Is a frame of ``size`` no smaller than its score map of ``cells``, in rows and columns?"""
    return size[0] >= cells[0] and size[1] >= cells[1]


def best_classes(scores: NDArray[np.float32]) -> Labels:
    """Argmax of ``[C, h, w]`` over the classes, the first where several are: uint8 ``[h, w]``."""
    out = np.empty(scores.shape[1:], np.uint8)
    _argmax(scores, out)
    return out


@lru_cache(maxsize=64)
def taps(pixels: int, cells: int) -> _Taps:
    """First pixel of each interval between neighbouring cell centres, ``[cells + 1]``, and each pixel's place in it."""
    position = (np.arange(pixels, dtype=np.float32) + np.float32(0.5)) * np.float32(cells / pixels) - np.float32(0.5)
    position = np.clip(position, 0, cells - 1)
    cell = np.minimum(position.astype(np.int32), max(cells - 2, 0))
    starts = np.searchsorted(cell, np.arange(cells + 1)).astype(np.int32)
    return starts, (position - cell).astype(np.float32)


@njit(cache=True, nogil=True)
def _argmax(scores: NDArray[np.float32], out: Labels) -> None:  # pragma: no cover - compiled
    classes, rows, cols = scores.shape
    best, label = np.empty(cols, np.float32), np.empty(cols, np.int32)  # as wide as the scores: that vectorises
    for i in range(rows):
        best[:] = scores[0, i]
        label[:] = 0
        for c in range(1, classes):
            values = scores[c, i]
            for j in range(cols):
                better = values[j] > best[j]
                best[j] = values[j] if better else best[j]
                label[j] = np.int32(c) if better else label[j]
        for j in range(cols):
            out[i, j] = label[j]


@njit(cache=True, nogil=True)
def _fill(
    best: Labels, scores: NDArray[np.float32], classes: int, vertical: _Taps, horizontal: _Taps, out: Labels
) -> None:  # pragma: no cover - compiled
    rows, cols = best.shape
    ys, wy = vertical
    xs, wx = horizontal
    can_win = np.empty(classes, np.int32)
    sides = np.empty((2, classes), np.float32)
    one = np.float32(1)
    for i in range(max(rows - 1, 1)):
        first, end, below = ys[i], ys[i + 1], min(i + 1, rows - 1)
        if first == end:
            continue
        for j in range(max(cols - 1, 1)):  # as if there were no borders, where there are some
            for x in range(xs[j], xs[j + 1]):
                out[first, x] = best[i, j]
        for y in range(first + 1, end):
            out[y] = out[first]
        for j in range(max(cols - 1, 1)):
            right, label = min(j + 1, cols - 1), best[i, j]
            if (best[i, right] == label) & (best[below, j] == label) & (best[below, right] == label):
                continue
            n = candidates(scores, classes, i, below, j, right, can_win)
            for y in range(first, end):
                for k in range(n):
                    c = can_win[k]
                    sides[0, k] = scores[i, j, c] * (one - wy[y]) + scores[below, j, c] * wy[y]
                    sides[1, k] = scores[i, right, c] * (one - wy[y]) + scores[below, right, c] * wy[y]
                for x in range(xs[j], xs[j + 1]):
                    out[y, x] = can_win[_winner(sides, n, wx[x])]


@njit(cache=True, nogil=True)
def candidates(
    scores: NDArray[np.float32], classes: int, i: int, below: int, j: int, right: int, can_win: NDArray[np.int32]
) -> int:  # pragma: no cover - compiled
    """Classes that can win somewhere in the cell. Returns how many."""
    floor = np.float32(-np.inf)  # some class has at least this everywhere in the cell
    for c in range(classes):
        a, b, d, e = scores[i, j, c], scores[i, right, c], scores[below, j, c], scores[below, right, c]
        floor = max(floor, min(min(a, b), min(d, e)))
    n = 0
    for c in range(classes):
        a, b, d, e = scores[i, j, c], scores[i, right, c], scores[below, j, c], scores[below, right, c]
        if max(max(a, b), max(d, e)) >= floor:
            can_win[n] = c
            n += 1
    return n


@njit(cache=True, nogil=True, inline="always")
def _winner(sides: NDArray[np.float32], n: int, weight: np.float32) -> int:  # pragma: no cover - compiled
    """The best of the first ``n`` candidates between their scores at the left and the right side of the cell."""
    one = np.float32(1)
    best, winner = sides[0, 0] * (one - weight) + sides[1, 0] * weight, 0
    for k in range(1, n):
        value = sides[0, k] * (one - weight) + sides[1, k] * weight
        if value > best:
            best, winner = value, k
    return winner
