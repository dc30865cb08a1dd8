"""Accuracy against truth: one confusion matrix for a whole set."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from taplab.types import IGNORE, Labels


class Confusion:
    """Counts of (true class, predicted class) over any number of frames; ``IGNORE`` is left out."""

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        self.counts: NDArray[np.int64] = np.zeros((len(classes), len(classes)), np.int64)

    def add(self, truth: Labels, predicted: Labels) -> None:
        """Counts one frame; both uint8 ``[H, W]``."""
        n = len(self.classes)
        valid = (truth != IGNORE) & (predicted != IGNORE)
        pairs = truth[valid].astype(np.int64) * n + predicted[valid]
        self.counts += np.bincount(pairs, minlength=n * n).reshape(n, n)

    @property
    def iou(self) -> NDArray[np.float64]:
        """Intersection over union of each class; NaN where it is neither in truth nor predicted."""
        hits = np.diag(self.counts).astype(float)
        union = self.counts.sum(0) + self.counts.sum(1) - np.diag(self.counts)
        iou: NDArray[np.float64] = np.divide(hits, union, out=np.full(len(hits), np.nan), where=union > 0)
        return iou

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


def temporal_consistency(before: tuple[Labels, Labels], now: tuple[Labels, Labels]) -> float:
    """Share of the pixels whose true class stays the same from one frame to the next whose predicted class does too.

    before, now: (truth, prediction), uint8 ``[H, W]`` each. 1.0 is no flicker.
    """
    still = (before[0] == now[0]) & (now[0] != IGNORE)
    return float(np.mean((before[1] == now[1])[still])) if still.any() else 1.0
