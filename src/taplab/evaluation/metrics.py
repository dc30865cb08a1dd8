"""Accuracy against truth: one confusion matrix for a whole set."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from taplab.types import IGNORE, Labels

BOUNDARY = 0.005  # of the frame's diagonal: how far from an edge boundary IoU looks (Cheng et al. 2021)


class Confusion:
    """Counts of (true class, predicted class) over any number of frames; ``IGNORE`` is left out."""

    def __init__(self, classes: Sequence[str], counts: NDArray[np.int64] | None = None) -> None:
        self.classes = tuple(classes)
        self.counts = np.zeros((len(classes), len(classes)), np.int64) if counts is None else counts

    def add(self, truth: Labels, predicted: Labels) -> None:
        """Counts one frame; both uint8 ``[H, W]``."""
        n = len(self.classes)
        valid = (truth != IGNORE) & (predicted != IGNORE)
        pairs = truth[valid].astype(np.int64) * n + predicted[valid]
        self.counts += np.bincount(pairs, minlength=n * n).reshape(n, n)

    @property
    def iou(self) -> NDArray[np.float64]:
        """Intersection over union of each class; NaN where it is neither in truth nor predicted."""
        hits = np.diag(self.counts)
        return _share(hits, self.counts.sum(0) + self.counts.sum(1) - hits)

    @property
    def miou(self) -> float:
        """Mean IoU over the classes that occur in the truth."""
        present = self.counts.sum(1) > 0
        return float(np.mean(self.iou[present])) if present.any() else float("nan")

    @property
    def pixel_accuracy(self) -> float:
        """Share of labelled pixels that are right."""
        total = self.counts.sum()
        return float(np.diag(self.counts).sum() / total) if total else float("nan")


class BoundaryOverlap:
    """Boundary IoU: intersection over union of what lies near each class's edges, in truth and prediction.

    counts: int64 ``[3, classes]``, pixels in the intersection, in the union, and of the truth.
    """

    def __init__(self, classes: Sequence[str], counts: NDArray[np.int64] | None = None) -> None:
        self.counts = np.zeros((3, len(classes)), np.int64) if counts is None else counts

    def add(self, truth: Labels, predicted: Labels) -> None:
        """Counts one frame; both uint8 ``[H, W]``. Edges against ``IGNORE`` are edges too; its pixels do not count."""
        distance = max(1, round(BOUNDARY * float(np.hypot(*truth.shape))))
        known = truth != IGNORE
        true_edge, found_edge = near_edges(truth, distance) & known, near_edges(predicted, distance) & known
        n = self.counts.shape[1]
        both = true_edge & found_edge & (truth == predicted)
        hits = np.bincount(truth[both], minlength=n)[:n]
        self.counts[0] += hits
        for labels, edge in ((truth, true_edge), (predicted, found_edge)):
            self.counts[1] += np.bincount(labels[edge], minlength=n)[:n]
        self.counts[1] -= hits
        self.counts[2] += np.bincount(truth[true_edge], minlength=n)[:n]

    @property
    def mean(self) -> float:
        """Over the classes that have edges in the truth, as for ``Confusion.miou``; NaN without any."""
        present = self.counts[2] > 0
        return float(np.mean(_share(self.counts[0], self.counts[1])[present])) if present.any() else float("nan")


def near_edges(labels: Labels, distance: int) -> NDArray[np.bool_]:
    """Pixels within ``distance`` rows and columns of a pixel of another label; bool ``[H, W]``."""
    least, most = labels, labels
    for axis in (0, 1):
        least, most = _windowed(least, distance, axis, np.minimum), _windowed(most, distance, axis, np.maximum)
    near: NDArray[np.bool_] = least != most
    return near


def _windowed(labels: Labels, distance: int, axis: int, extreme: np.ufunc) -> Labels:
    """Least or most of the labels at most ``distance`` away along the axis, in windows that double."""
    size, span = 2 * distance + 1, 1
    padding = [(0, 0), (0, 0)]
    padding[axis] = (distance, distance)
    out = np.pad(labels, padding, mode="edge").swapaxes(0, axis)
    while span < size:  # out[i] covers ``span`` labels from i on
        step = min(span, size - span)
        out = extreme(out[:-step], out[step:])
        span += step
    result: Labels = out.swapaxes(0, axis)
    return result


def temporal_consistency(before: tuple[Labels, Labels], now: tuple[Labels, Labels]) -> float:
    """Share of the pixels whose true class stays the same from one frame to the next whose predicted class does too.

    before, now: (truth, prediction), uint8 ``[H, W]`` each. 1.0 is no flicker.
    """
    still = (before[0] == now[0]) & (now[0] != IGNORE)
    return float(np.mean((before[1] == now[1])[still])) if still.any() else 1.0


def _share(hits: NDArray[np.int64], union: NDArray[np.int64]) -> NDArray[np.float64]:
    share: NDArray[np.float64] = np.divide(hits, union, out=np.full(len(hits), np.nan), where=union > 0)
    return share
