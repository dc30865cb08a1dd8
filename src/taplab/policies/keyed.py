"""Key frames, and what they say of the frames around them: what ``offline`` and ``live`` share."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import numpy as np
import torch
from torch import Tensor

from taplab.modules.ffw import Carried
from taplab.once import Once
from taplab.policies.base import Answer
from taplab.policies.side import Side
from taplab.scoremap import cells, gathering, on_device
from taplab.scoremap.cells import CellPicture, CellScores
from taplab.scoremap.contours import best_classes
from taplab.scoremap.gathered import Gathered
from taplab.scoremap.gathering import Mapped, Mixture
from taplab.scoremap.on_device import GatheredOnDevice, KeyCells
from taplab.types import IGNORE, CodedFrame, Labels

HISTORY = 0.6  # share of a neighbouring key frame in what one says, which has 1; that of the next but one is its square


@dataclass(eq=False)
class Key:
    """A frame that the network saw.

    scores: ``[C, h, w]``. presence: ``[h, w]`` in 0..1, where it saw a region only (see ``regions``). glance: it had no
    more than that, see ``Model.follow``. around: the ways to the key frames before and after it, until they are
    gathered (in ``offline``). waiting: answers that come after that.
    """

    frame: CodedFrame
    scores: Tensor
    presence: Tensor | None = None
    glance: bool = False
    around: list[Side] = field(default_factory=list)
    waiting: Iterable[Answer] = ()

    def __post_init__(self) -> None:
        self.answer: Carried | Gathered = Carried(self.scores)  # the network's own, until there is more to say
        self._on_device = Once(partial(_on_device, self.scores, self.presence, self.frame))
        self.said = self._on_device  # what frames take from it where its scores are not on the CPU, likewise

    @property
    def cells(self) -> tuple[int, int]:
        """Rows and columns of the score map."""
        return int(self.scores.shape[-2]), int(self.scores.shape[-1])

    @property
    def is_on_cpu(self) -> bool:
        """Its scores are for the compiled kernels."""
        return is_on_cpu(self.scores)

    @property
    def is_region(self) -> bool:
        """The network saw a region of the frame."""
        return self.presence is not None

    @property
    def is_whole(self) -> bool:
        """The network saw all of the frame, and well."""
        return not self.is_region and not self.glance

    @cached_property
    def probabilities(self) -> CellScores:
        """Of the classes, see ``cells.padded``: of two raw scores the louder one would decide."""
        return cells.padded(self.scores.softmax(0), self.presence)

    def gather(self, others: Sequence[tuple[Side, float]], mapped: Mapped = map) -> None:
        """Takes in what other key frames say of this one, each with its share; its own scores have 1."""
        answer = gathered(self.frame, [(Side(self.frame, self), 1.0), *others], mapped)
        if isinstance(answer, GatheredOnDevice):
            own = self._on_device
            self.said = Once(lambda: replace(own.value, scores=answer.present))
        else:
            self.__dict__["probabilities"] = answer.padded
        self.answer = answer

    @property
    def on_device(self) -> KeyCells:
        """What the network said of it, where the scores are not on the CPU."""
        return self._on_device.value

    @cached_property
    def picture(self) -> CellPicture:
        """The frame's colours at the size of the score map."""
        return cells.colours(self.frame, self.cells)

    @cached_property
    def calm(self) -> Labels:
        """See ``cells.calm``; of the network's own scores."""
        best = best_classes(self.scores.float().cpu().numpy())
        if self.presence is not None:
            best[self.presence.numpy() == 0] = cells.ABSENT
        return cells.calm(best)


def _on_device(scores: Tensor, presence: Tensor | None, frame: CodedFrame) -> KeyCells:
    size = int(scores.shape[-2]), int(scores.shape[-1])
    return on_device.key_cells(scores, presence, on_device.colours(frame, size, scores.device))


def is_on_cpu(scores: Tensor) -> bool:
    """Are these for the compiled kernels?"""
    return not on_device.takes(scores)


def on_threads() -> Mapped:
    """How the parts of one frame share the cores; with one core, or one thread of torch's, not at all."""
    return ThreadPoolExecutor(2, "taplab-parts").map if torch.get_num_threads() > 1 else map


def gathered(frame: CodedFrame, sides: Sequence[tuple[Side, float]], mapped: Mapped = map) -> Gathered:
    """The scores of some key frames, each with its share, weighed by how well they match this frame's picture.

    mapped: how functions are called on what is independent; that of a pool of threads where the processor is idle.
    """
    first = sides[0][0].key
    classes = len(first.scores)
    if not first.is_on_cpu:
        said = [side.key.said for side, _ in sides]  # now: later they may take in what is gathered here

        def placed() -> list[on_device.Way]:
            return [(one.value, side.displacement, share) for one, (side, share) in zip(said, sides, strict=True)]

        return on_device.gathered(frame, placed, classes)

    def work(whole: bool) -> Mixture:
        now = cells.colours(frame, first.cells)
        ways = list(mapped(lambda one: one[0].way, sides))
        settled = cells.settled(now, [(s.key.calm, s.key.picture, w) for (s, _), w in zip(sides, ways, strict=True)])
        active = settled == IGNORE
        wanted = np.ones_like(active) if whole else cells.calm(settled) == IGNORE
        said = [(s.key.probabilities, s.key.picture, w, share) for (s, share), w in zip(sides, ways, strict=True)]
        mixture = gathering.gather(now, said, classes, active, wanted, mapped)
        # Also where their scores were gathered and say otherwise: no contour may touch cells whose scores were not.
        np.copyto(mixture.best, settled, where=~active)
        frame.colours = None
        return mixture

    return Gathered(work, first.cells, classes)
