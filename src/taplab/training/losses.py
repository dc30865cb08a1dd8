"""Losses for segmentation with few images and very unequal classes."""

import torch
import torch.nn.functional as F
from torch import Tensor

from taplab.types import IGNORE


def class_weights(frequency: Tensor) -> Tensor:
    """Weight of each class from its share of the labelled pixels: ``1 / ln(1.10 + frequency)``."""
    return 1.0 / torch.log(1.10 + frequency)


def soft_jaccard(scores: Tensor, labels: Tensor) -> Tensor:
    """1 - soft intersection over union, mean over the classes present. ``[N, C, H, W]``, ``[N, H, W]``."""
    valid = labels != IGNORE
    probability = scores.softmax(1) * valid[:, None]
    truth = F.one_hot(torch.where(valid, labels, 0), scores.shape[1]).permute(0, 3, 1, 2) * valid[:, None]
    hits = (probability * truth).sum((0, 2, 3))
    union = probability.sum((0, 2, 3)) + truth.sum((0, 2, 3)) - hits
    present = truth.sum((0, 2, 3)) > 0
    return (1 - hits / union.clamp(min=1))[present].mean()


def segmentation_loss(
    scores: Tensor, labels: Tensor, weights: Tensor | None = None, jaccard: float = 0.0, smoothing: float = 0.0
) -> Tensor:
    """Cross-entropy (Eq. 5) plus ``jaccard`` times the soft Jaccard loss, at the labels' resolution.

    ``scores`` ``[N, C, h, w]`` of any resolution, ``labels`` long ``[N, H, W]`` with 255 ignored, ``weights`` of the
    classes ``[C]`` or None. 0 if no pixel is labelled.
    """
    if bool((labels == IGNORE).all()):
        return scores.sum() * 0.0  # the mean over no pixels is no number
    size = (labels.shape[-2], labels.shape[-1])
    scores = F.interpolate(scores.float(), size, mode="bilinear", align_corners=False)
    loss = F.cross_entropy(scores, labels, weights, ignore_index=IGNORE, label_smoothing=smoothing)
    return loss + jaccard * soft_jaccard(scores, labels) if jaccard else loss
