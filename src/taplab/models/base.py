"""What taplab asks of a network: phi in the paper."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from taplab.errors import ModelError
from taplab.types import IGNORE, Palette
from taplab.words import is_whole

Pictures = NDArray[np.uint8] | Tensor  # uint8 RGB [N, H, W, 3]


class Model(ABC):
    """A segmentation network with its class names.

    classes: names in the order of the score channels. palette: RGB of each class.
    takes_crops: regions of a frame may be given to it at their own size (RGC needs that).
    gives_numbers: it says which class, not how sure it is; ``numbers`` then takes less memory than scores of 1 and 0.
    follow_cost: what ``follow`` costs, as a share of a pass, where the network is made for warping; else None.
    takes_tensors: pictures may also be a tensor on ``device``; then their colours are converted there.
    loaded_by: makes it anew in another process, where that is known.
    notes: what its users are told, a line each.
    """

    name: str = "model"
    classes: tuple[str, ...]
    palette: Palette
    device: str = "cpu"
    takes_crops: bool = True
    gives_numbers: bool = False
    takes_tensors: bool = False
    follow_cost: float | None = None
    loaded_by: "Callable[..., Model] | None" = None
    notes: tuple[str, ...] = ()

    @abstractmethod
    def __call__(self, images: NDArray[np.uint8]) -> Tensor:
        """RGB uint8 ``[N, H, W, 3]`` to scores, float ``[N, C, h, w]``, at the network's own stride."""

    def numbers(self, images: NDArray[np.uint8]) -> Tensor:
        """RGB uint8 ``[N, H, W, 3]`` to class numbers, uint8 ``[N, h, w]``. Only where ``gives_numbers``."""
        raise ModelError(f"{self.name}: gives scores, no class numbers")

    def follow(self, images: NDArray[np.uint8], carried: Tensor, match: Tensor) -> Tensor:
        """Scores ``[N, C, h, w]`` of frames between key frames, from a glance at them and what was carried to them.

        images: RGB uint8 ``[N, H, W, 3]``. carried: probabilities ``[N, C, h, w]``, brought from key frames. match:
        ``[N, 1, h, w]`` in 0..1, how well the pictures match there. Only where ``follow_cost`` is given.
        """
        raise ModelError(f"{self.name}: cannot follow; it is no network made for warping")

    def settle(self, size: tuple[int, int]) -> None:  # noqa: B027 (most have nothing to find out)
        """Told the size of the frames, (rows, columns), before the first of them: what is to be found out, is now."""

    def warm_up(self, size: tuple[int, int]) -> None:
        """One pass on an empty image of (rows, columns), so that the first frame does not pay for set-up.

        Raises ModelError if the network cannot take it.
        """
        scores = self(np.zeros((1, *size, 3), np.uint8))
        if scores.ndim != 4 or scores.shape[1] != len(self.classes):
            raise ModelError(
                f"{self.name}: gives scores of shape {tuple(scores.shape)} for {len(self.classes)} classes; "
                "expected [N, classes, h, w]"
            )


def follow_cost_of(cost: Any, name: str) -> float | None:
    """What a glance costs, a share of a pass. Raises ModelError unless it is from 0 to below 1, or None."""
    if cost is None:
        return None
    try:
        share = float(cost)
    except (TypeError, ValueError):
        share = math.nan
    if not 0 <= share < 1:
        raise ModelError(f"{name}: follow_cost {cost!r}: write what a glance costs as a share of a pass, below 1")
    return share


def names_of(name: str, classes: Any) -> tuple[str, ...]:
    """Class names. Raises ModelError if ``classes`` are none."""
    if not isinstance(classes, Iterable):
        raise ModelError(f"{name}: classes {classes!r}: give their names")
    return tuple(map(str, classes))


def check_multiple(name: str, multiple: Any) -> int:
    """Pixels. Raises ModelError unless it is a whole number."""
    if not is_whole(multiple):
        raise ModelError(f"{name}: multiple = {multiple!r}: write a whole number of pixels, such as 32")
    return int(multiple)


def check_palette(name: str, palette: Any, classes: int) -> Palette:
    """Colours as tuples of red, green and blue. Raises ModelError unless there is one of 0 to 255 for each class."""
    try:
        colours = np.asarray(palette)
    except ValueError:  # of unequal lengths
        colours = np.empty(0)
    if colours.ndim == 2 and len(colours) != classes:
        raise ModelError(f"{name}: {len(colours)} colours for {classes} classes")
    numbers = colours.shape == (classes, 3) and np.issubdtype(colours.dtype, np.integer)
    if not numbers or colours.min() < 0 or colours.max() > 255:
        raise ModelError(f"{name}: palette: write three whole numbers, 0 to 255, for each class: [(128, 64, 128), ...]")
    return [(int(red), int(green), int(blue)) for red, green, blue in colours]


def check_channels(name: str, channels: int) -> None:
    """Raises ModelError for a single score map: its argmax would be class 0 everywhere."""
    if channels < 2:
        raise ModelError(f"{name}: gives one score map; give one for each class, for two classes stack (1 - p, p)")


def check_classes(name: str, count: int) -> None:
    """Raises ModelError for fewer than two classes, and for more than uint8 labels can tell apart."""
    check_channels(name, count)
    if count > IGNORE:
        raise ModelError(f"{name}: has {count} classes; labels are uint8 and {IGNORE} is none of them: 2 to {IGNORE}")
