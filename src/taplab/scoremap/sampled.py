"""Scores sampled along displacements (Eq. 1) where labels need them: at the contours of classes."""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from taplab.compiled import njit
from taplab.scoremap.cells import CellScores, Displacement, calm, origins, padded
from taplab.scoremap.contours import Contours, best_classes
from taplab.scoremap.simd import load8, mixed, store
from taplab.types import IGNORE, Labels


class Sampled:
    """Of one score map ``[C, h, w]``, on the CPU."""

    def __init__(self, scores: Tensor) -> None:
        self.scores = scores

    @cached_property
    def _cells(self) -> CellScores:
        return padded(self.scores)

    @cached_property
    def _calm(self) -> Labels:
        return calm(best_classes(self.scores.float().numpy()))

    def contours(self, displacement: Displacement) -> Contours:
        """Where a cell comes from well inside one class, nothing is sampled: any mixture there has that class."""
        classes, cells = len(self.scores), self._cells
        best = np.empty(displacement.shape[:2], np.uint8)
        _follow(self._calm, displacement, best)
        out = np.empty_like(cells)
        _sample(cells, displacement, classes, calm(best) == IGNORE, out, best)
        return Contours(best, out, classes)


@njit(cache=True, nogil=True)
def _follow(classes: Labels, way: Displacement, out: Labels) -> None:  # pragma: no cover - compiled
    rows, cols = out.shape
    known, origin = classes.reshape(-1), np.empty(cols, np.int32)
    for i in range(rows):
        origins(way[i], i, rows, origin)
        for j in range(cols):
            out[i, j] = known[origin[j]]


@njit(cache=True, nogil=True, inline="always")
def _place(position: np.float32, size: int) -> tuple[int, int, np.float32]:  # pragma: no cover - compiled
    """The two cells around a position, inside the map, and the share of the second."""
    position = min(max(position, np.float32(0)), np.float32(size - 1))
    first = int(position)
    return first, min(first + 1, size - 1), position - np.float32(first)


@njit(cache=True, nogil=True)
def _sample(
    cells: CellScores, way: Displacement, classes: int, wanted: NDArray[np.bool_], out: CellScores, best: Labels
) -> None:  # pragma: no cover - compiled
    """Bilinearly; borders replicate."""
    rows, cols, lanes = cells.shape
    flat, samples = cells.reshape(-1), out.reshape(-1)
    for i in range(rows):
        for j in range(cols):
            if not wanted[i, j]:
                continue
            y0, y1, fy = _place(np.float32(i) + way[i, j, 1], rows)
            x0, x1, fx = _place(np.float32(j) + way[i, j, 0], cols)
            a, b = (y0 * cols + x0) * lanes, (y0 * cols + x1) * lanes
            d, e = (y1 * cols + x0) * lanes, (y1 * cols + x1) * lanes
            for c in range(0, lanes, 8):
                upper = mixed(load8(flat, a + c), load8(flat, b + c), fx)
                lower = mixed(load8(flat, d + c), load8(flat, e + c), fx)
                store(samples, (i * cols + j) * lanes + c, mixed(upper, lower, fy))
            most, label = out[i, j, 0], 0
            for c in range(1, classes):
                if out[i, j, c] > most:
                    most, label = out[i, j, c], c
            best[i, j] = label
