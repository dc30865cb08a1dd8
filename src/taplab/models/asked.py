"""A network that is asked, whoever wrote it: what it is and what it gives is checked before anything is carried."""

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from taplab.blame import blamed, described
from taplab.errors import ModelError
from taplab.models.base import Model, Pictures, check_classes, check_palette, follow_cost_of


def check_model(model: Model) -> Model:
    """``model`` itself. Raises ModelError if classes, colours or follow_cost are missing, too many or do not fit."""
    for wanted in ("classes", "palette"):
        if not hasattr(model, wanted):
            raise ModelError(f"{model.name}: has no {wanted}; a Model has classes and a palette, see taplab.Model")
    check_classes(model.name, len(model.classes))
    check_palette(model.name, model.palette, len(model.classes))
    follow_cost_of(model.follow_cost, model.name)
    return model


@torch.no_grad()
def asked(model: Model, call: Callable[..., Tensor], images: Pictures, *more: Tensor) -> Tensor:
    """Scores, float32 ``[N, C, h, w]``, that ``call`` (``model`` or its ``follow``) gives for RGB ``[N, H, W, 3]``.

    Raises ModelError if it raises, or gives anything but one score for each class.
    """
    with blamed(f"{model.name}, given {images.shape[0]} x {images.shape[1]}x{images.shape[2]} pixels"):
        scores = call(images, *more)
    wanted = f"a float torch.Tensor [{len(images)}, {len(model.classes)}, h, w]"
    if not isinstance(scores, Tensor) or scores.ndim != 4 or not scores.is_floating_point():
        raise ModelError(f"{model.name}: returned {described(scores)}; expected {wanted}")
    if tuple(scores.shape[:2]) != (len(images), len(model.classes)) or not scores.numel():
        raise ModelError(f"{model.name}: returned scores {list(scores.shape)}; expected {wanted}")
    return scores.detach().float()  # an nn.Parameter wants gradients even here


def asked_numbers(model: Model, images: NDArray[np.uint8]) -> Tensor:
    """Class numbers, uint8 ``[N, h, w]``, of a model that ``gives_numbers``, for RGB ``[N, H, W, 3]``.

    Raises ModelError if it raises, or gives anything else.
    """
    with blamed(f"{model.name}, given {images.shape[0]} x {images.shape[1]}x{images.shape[2]} pixels"):
        numbers = model.numbers(images)
    fits = isinstance(numbers, Tensor) and numbers.dtype == torch.uint8
    if not fits or numbers.ndim != 3 or len(numbers) != len(images):
        wanted = f"a uint8 torch.Tensor [{len(images)}, h, w]"
        raise ModelError(f"{model.name}: returned class numbers {described(numbers)}; expected {wanted}")
    if (highest := int(numbers.max())) >= len(model.classes):
        raise ModelError(f"{model.name}: returned class number {highest}, but has {len(model.classes)} classes")
    return numbers


def check_finite(model: Model, scores: Tensor) -> None:
    """Raises ModelError for NaN and infinity: a score that is no number would be carried on and on."""
    if not all(math.isfinite(extreme) for extreme in scores.aminmax()):  # which hands NaN on
        raise ModelError(f"{model.name}: its scores are not finite; check its weights, mean and std")
