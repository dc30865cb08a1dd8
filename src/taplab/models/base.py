"""What taplab asks of a network: phi in the paper."""

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from taplab.errors import ModelError
from taplab.types import Palette


class Model(ABC):
    """A segmentation network with its class names.

    classes: names in the order of the score channels. palette: RGB of each class.
    takes_crops: regions of a frame may be given to it at their own size (RGC needs that).
    """

    name: str = "model"
    classes: tuple[str, ...]
    palette: Palette
    device: str = "cpu"
    takes_crops: bool = True

    @abstractmethod
    def __call__(self, images: NDArray[np.uint8]) -> Tensor:
        """RGB uint8 ``[N, H, W, 3]`` to scores, float ``[N, C, h, w]``, at the network's own stride."""

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
