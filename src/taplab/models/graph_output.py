"""What a network in a file gives, as scores: class numbers and single maps too."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taplab.errors import ModelError

_NAMES = 'write the names of the classes into a TOML file of the same name: classes = ["road", "car"]'
_THRESHOLD = (
    "write into a TOML file of the same name from which value on it is the second class: threshold = 0.5 where it is a "
    "probability, 127 in a mask of 0 and 255, else 0"
)


@dataclass(frozen=True)
class GraphOutput:
    """How the first output of the network ``name`` is read.

    classes: how many names were given; None if none. threshold: above it the second of two classes begins, in a single
    map. axis: of the classes, if there are four axes.
    """

    name: str
    classes: int | None
    threshold: float | None
    axis: int

    def scores(self, output: NDArray[Any]) -> NDArray[np.float32]:
        """``[N, C, h, w]`` of class numbers and single maps, with or without an axis of length 1; scores as they are.

        Raises ModelError where it is none of these, or cannot be read without a setting.
        """
        if output.ndim == 4 and output.shape[self.axis] == 1:
            output = output.squeeze(self.axis)
        if output.ndim == 3:
            of_numbers = output.dtype.kind in "iub" and self.threshold is None
            return self._of_numbers(output) if of_numbers else self._of_one_map(output)
        if output.ndim != 4:
            raise ModelError(f"{self.name}: its output has shape {output.shape}; expected scores [N, classes, h, w]")
        return output.astype(np.float32, copy=False)

    def _of_numbers(self, numbers: NDArray[Any]) -> NDArray[np.float32]:
        """1 for the class that is named, 0 for the others."""
        if self.classes is None:
            raise ModelError(f"{self.name}: gives class numbers, no scores; {_NAMES}")
        numbers = numbers.astype(np.int64, copy=False)
        low, high = int(numbers.min()), int(numbers.max())
        if low < 0 or high >= self.classes:
            wrong = low if low < 0 else high
            raise ModelError(
                f"{self.name}: gives class number {wrong}, but {self.classes} class names were given; name all, or, if "
                f"it is a mask, {_THRESHOLD}"
            )
        count, rows, columns = numbers.shape
        scores = np.zeros((count, self.classes, rows, columns), np.float32)
        np.put_along_axis(scores, numbers[:, None], 1, axis=1)
        return scores

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
