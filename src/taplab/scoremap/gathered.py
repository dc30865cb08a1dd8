"""What was gathered from key frames, as much of it as somebody asks for."""

from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor

from taplab.scoremap.cells import CellScores
from taplab.scoremap.contours import Contours, grows
from taplab.scoremap.gathering import Mixture


class Gathered:
    """A frame's scores, worked out at the first look.

    work: gathers; all cells if it is told so, else those at the contours of classes. cells: (h, w). classes: C.
    """

    def __init__(self, work: Callable[[bool], Mixture], cells: tuple[int, int], classes: int) -> None:
        self._work: Callable[[bool], Mixture] | None = work
        self.cells, self.classes = cells, classes

    @cached_property
    def _whole(self) -> Mixture:
        assert self._work is not None
        mixture = self._work(True)
        self._work = None  # lets go of the key frames
        return mixture

    @property
    def padded(self) -> CellScores:
        """Probabilities as key frames keep them, see ``cells.padded``."""
        return self._whole.scores

    @property
    def scores(self) -> Tensor:
        """Probabilities ``[C, h, w]`` on the CPU."""
        return torch.from_numpy(self._whole.scores[..., : self.classes]).permute(2, 0, 1)

    @property
    def match(self) -> Tensor:
        """``[h, w]`` in 0..1 on the CPU: how well the pictures match, see ``Mixture``."""
        return torch.from_numpy(self._whole.match)

    def for_labels(self, size: tuple[int, int]) -> Contours | Tensor:
        """All that labels of this size, in pixels, take."""
        if not grows(self.cells, size):
            return self.scores
        mixture = self._whole if self._work is None else self._work(False)
        return Contours(mixture.best, mixture.scores, self.classes, mixture.colours)
