"""Key frames and the ways that lead to them: what ``offline`` and ``live`` share."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from taplab.labels import best_classes
from taplab.modules import cells, ffw, gathering, matching, on_device
from taplab.modules.cells import CellPicture, CellScores
from taplab.modules.ffw import Carried, Displacement
from taplab.modules.gathered import Gathered
from taplab.modules.gathering import Mapped, Mixture
from taplab.modules.on_device import GatheredOnDevice, KeyCells
from taplab.policies.base import Answer
from taplab.types import IGNORE, MOTION_BLOCK, CodedFrame, Labels, MotionField
from taplab.video.estimate import estimate_motion
from taplab.video.planes import luma_plane

HISTORY = 0.6  # share of a neighbouring key frame in what one says, which has 1; that of the next but one is its square


@dataclass(eq=False)
class Key:
    """A frame that the network saw.

    scores: ``[C, h, w]``. presence: ``[h, w]`` in 0..1, where it saw a region only (see ``regions``). around: the ways
    to the key frames before and after it, until they are gathered (in ``offline``). waiting: answers that come after
    that.
    """

    frame: CodedFrame
    scores: Tensor
    presence: Tensor | None = None
    around: "list[Side]" = field(default_factory=list)
    waiting: Iterable[Answer] = ()

    def __post_init__(self) -> None:
        self.answer: Carried | Gathered = Carried(self.scores)  # the network's own, until there is more to say

    @property
    def cells(self) -> tuple[int, int]:
        """Rows and columns of the score map."""
        return int(self.scores.shape[-2]), int(self.scores.shape[-1])

    @property
    def is_region(self) -> bool:
        """The network saw a region of the frame."""
        return self.presence is not None

    @cached_property
    def probabilities(self) -> CellScores:
        """Of the classes, see ``cells.padded``: of two raw scores the louder one would decide."""
        return cells.padded(self.scores.softmax(0), self.presence)

    def gather(self, others: Sequence[tuple["Side", float]], mapped: Mapped = map) -> None:
        """Takes in what other key frames say of this one, each with its share; its own scores have 1."""
        answer = gathered(self.frame, [(Side(self.frame.display, self), 1.0), *others], mapped)
        if isinstance(answer, GatheredOnDevice):
            self.__dict__["on_device"] = replace(self.on_device, scores=answer.present)
        else:
            self.__dict__["probabilities"] = answer.padded
        self.answer = answer

    @cached_property
    def on_device(self) -> KeyCells:
        """All that frames take from it, where the scores are not on the CPU."""
        return on_device.key_cells(self.scores, self.presence, self.picture)

    @cached_property
    def picture(self) -> CellPicture:
        """The frame's colours at the size of the score map."""
        return cells.cell_picture(self.frame.picture, self.cells)

    @cached_property
    def calm(self) -> Labels:
        """See ``cells.calm``; of the network's own scores."""
        best = best_classes(self.scores.float().cpu().numpy())
        if self.presence is not None:
            best[self.presence.numpy() == 0] = cells.ABSENT
        return cells.calm(best)


@dataclass(frozen=True, eq=False)
class Side:
    """The way from a frame, shown at ``display``, to a key frame; None at the key frame itself."""

    display: int
    key: Key
    displacement: Displacement | None = None

    @property
    def way(self) -> Displacement:
        """The displacement, or zeros."""
        return np.zeros((*self.key.cells, 2), np.float32) if self.displacement is None else self.displacement

    def refined(self, now: CellPicture, active: NDArray[np.bool_]) -> Displacement:
        """See ``matching.refine``; nothing is to be found at the key frame itself."""
        return self.way if self.displacement is None else matching.refine(now, self.key.picture, self.way, active)

    def before(self, frame: CodedFrame, field: MotionField) -> "Side":
        """The way of a frame that moved by ``field`` from the frame whose side this is."""
        size = frame.height, frame.width
        return Side(frame.display, self.key, ffw.compose(field.vectors, self.displacement, self.key.cells, size))


def along(frame: CodedFrame, sides: Mapping[int, Side], *, before: bool) -> Side | None:
    """Along the vectors to the key frame that the frames shown ``before`` this one, or after it, lead to.

    Blocks that were not predicted from there go by way of the other reference, if that leads to the same key frame.
    None if no vectors lead to it.
    """
    if frame.motion is None:
        return None
    fields = [field for field in frame.motion.fields if field.reference in sides]
    wanted = [f for f in fields if (sides[f.reference].display < frame.display) is before]
    if not wanted:
        return None
    best = max(wanted, key=lambda field: float(field.weight.sum()))
    key, size = sides[best.reference].key, (frame.height, frame.width)
    there = [field for field in fields if sides[field.reference].key is key]
    ways = [ffw.compose(f.vectors, sides[f.reference].displacement, key.cells, size) for f in there]
    if len(ways) == 1:
        return Side(frame.display, key, ways[0])
    first = ffw.to_cells(there[0].weight, key.cells, size, MOTION_BLOCK) >= 0.5
    return Side(frame.display, key, np.where(first[..., None], ways[0], ways[1]))


def estimated(frame: CodedFrame, reference: CodedFrame) -> MotionField:
    """Motion of a frame from another of the same size, where the stream has none: I-frames, other references."""
    seed = reference.motion.fields[0] if reference.motion is not None else None
    luma, earlier = luma_plane(frame.picture), luma_plane(reference.picture)
    return estimate_motion(luma, earlier, reference.index, seed).fields[0]


def is_on_cpu(scores: Tensor) -> bool:
    """Are these for the compiled kernels?"""
    return scores.device.type == "cpu"


def gathered(frame: CodedFrame, sides: Sequence[tuple[Side, float]], mapped: Mapped = map) -> Gathered:
    """The scores of some key frames, each with its share, weighed by how well they match this frame's picture.

    mapped: how functions are called on what is independent; that of a pool of threads where the processor is idle.
    """

    first = sides[0][0].key
    if not is_on_cpu(first.scores):
        now = cells.cell_picture(frame.picture, first.cells)
        return on_device.gathered(now, [(side.key.on_device, side.displacement, share) for side, share in sides])
    classes = len(first.scores)

    def work(whole: bool) -> Mixture:
        now = cells.cell_picture(frame.picture, first.cells)
        settled = cells.settled(now, [(side.key.calm, side.key.picture, side.way) for side, _ in sides])
        active = settled == IGNORE
        wanted = np.ones_like(active) if whole else cells.calm(settled) == IGNORE

        def refined(one: tuple[Side, float]) -> tuple[CellScores, CellPicture, Displacement, float]:
            side, share = one
            return side.key.probabilities, side.key.picture, side.refined(now, active), share

        mixture = gathering.gather(now, list(mapped(refined, sides)), classes, active, wanted, mapped)
        np.copyto(mixture.best, settled, where=~wanted)
        return mixture

    return Gathered(work, first.cells, classes)
