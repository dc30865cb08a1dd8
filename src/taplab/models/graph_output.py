"""What a network in a file gives, as scores: class numbers and single maps too."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from taplab.errors import ModelError
from taplab.labels import ones_and_zeros

_NAMES = 'write the names of the classes into a TOML file of the same name: classes = ["road", "car"]'
_THRESHOLD = (
    "write into a TOML file of the same name from which value on it is the second class: threshold = 0.5 where it is a "
    "probability, 127 in a mask of 0 and 255, else 0"
)


@dataclass(frozen=True)
class GraphOutput:
    """How an output of the network ``name`` is read.

    classes: how many names were given; None if none. threshold: above it the second of two classes begins, in a single
    map. axis: of the classes, if there are four axes.
    """

    name: str
    classes: int | None
    threshold: float | None
    axis: int

    def gives_numbers(self, output: NDArray[Any]) -> bool:
        """Does it say which class, not how sure it is?"""
        return self._single(output).ndim == 3 and output.dtype.kind in "iub" and self.threshold is None

    def numbers(self, output: NDArray[Any]) -> NDArray[np.uint8]:
        """Class numbers ``[N, h, w]`` of an output that ``gives_numbers``. Raises ModelError for one without a name."""
        if self.classes is None:
            raise ModelError(f"{self.name}: gives class numbers, no scores; {_NAMES}")
        low, high = int(output.min()), int(output.max())
        if low < 0 or high >= self.classes:
            wrong = low if low < 0 else high
            raise ModelError(
                f"{self.name}: gives class number {wrong}, but {self.classes} class names were given; name all, or, if "
                f"it is a mask, {_THRESHOLD}"
            )
        return self._single(output).astype(np.uint8)

    def scores(self, output: NDArray[Any]) -> NDArray[np.float32]:
        """``[N, C, h, w]`` of class numbers and single maps, with or without an axis of length 1; scores as they are.

        Raises ModelError where it is none of these, or cannot be read without a setting.
        """
        if self.gives_numbers(output):
            return ones_and_zeros(torch.from_numpy(self.numbers(output)), self.classes or 0).numpy()
        output = self._single(output)
        if output.ndim == 3:
            return self._of_one_map(output)
        if output.ndim != 4:
            raise ModelError(f"{self.name}: its output has shape {output.shape}; expected scores [N, classes, h, w]")
        if self.threshold is not None and 1 not in (output.shape[1], output.shape[3]):
            raise ModelError(f"{self.name}: gives a score for each class, the highest wins; leave threshold out")
        return output.astype(np.float32, copy=False)

    def _single(self, output: NDArray[Any]) -> NDArray[Any]:
        """Without an axis of classes of length 1; of class numbers and maps, which have no other, wherever it is."""
        alone = output.dtype.kind in "iub" or self.threshold is not None
        axes = (self.axis, 4 - self.axis) if alone else (self.axis,)
        one = [axis for axis in axes if output.ndim == 4 and output.shape[axis] == 1]
        return output.squeeze(one[0]) if one else output

    def _of_one_map(self, values: NDArray[Any]) -> NDArray[np.float32]:
        if self.classes is not None and self.classes != 2:
            raise ModelError(
                f"{self.name}: gives one map of {values.dtype}, but {self.classes} class names were given; let it give "
                "a score for each class, or class numbers as integers"
            )
        if self.threshold is None:
            raise ModelError(f"{self.name}: gives one score map; {_THRESHOLD}")
        beyond = values.astype(np.float32) - np.float32(self.threshold)
        return np.stack([-beyond, beyond], axis=1)
