"""Labels of a frame from its scores, on whatever device these are."""

import torch
import torch.nn.functional as F
from torch import Tensor

from taplab.scoremap import on_device
from taplab.scoremap.contours import Contours, best_classes
from taplab.types import Labels


def labels_from_scores(scores: Tensor | Contours, size: tuple[int, int]) -> Labels:
    """Argmax of ``scores`` ``[C, h, w]`` upsampled bilinearly (half-pixel centres) to ``size``: uint8 ``[H, W]``.

    Class numbers ``[h, w]`` stand for scores of 1 and 0.
    """
    if isinstance(scores, Contours):
        return scores.at(size)
    if scores.ndim == 2:
        if tuple(scores.shape) == size:
            return scores.cpu().numpy().copy()  # the network may use its memory again
        scores = ones_and_zeros(scores, int(scores.max()) + 1)  # classes beyond are nowhere
    on_cpu = scores.device.type == "cpu"
    if tuple(scores.shape[-2:]) == size:
        return best_classes(scores.float().numpy()) if on_cpu else _best(scores)
    if not on_cpu:
        if on_device.takes(scores):
            labels: Labels = on_device.labels(scores, size).cpu().numpy()
            return labels
        return _best(F.interpolate(scores[None].float(), size, mode="bilinear", align_corners=False)[0])
    planes = scores.float().numpy()
    return Contours(best_classes(planes), planes.transpose(1, 2, 0), len(planes)).at(size)


def ones_and_zeros(numbers: Tensor, classes: int) -> Tensor:
    """Scores ``[..., C, h, w]`` of class numbers ``[..., h, w]``: 1 for the class that is named, 0 for the others."""
    scores = numbers.new_zeros((*numbers.shape[:-2], classes, *numbers.shape[-2:]), dtype=torch.float32)
    return scores.scatter_(-3, numbers.unsqueeze(-3).long(), 1)


def _best(scores: Tensor) -> Labels:
    labels: Labels = scores.argmax(0).to(torch.uint8).cpu().numpy()
    return labels
