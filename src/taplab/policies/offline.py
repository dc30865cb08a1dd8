"""Looking ahead: every frame between two key frames gets the scores of both.

The network's work is that of FFW: one pass at each key frame. The frames of a lane are answered once the next lane's
key frame is known.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from taplab.errors import SettingError
from taplab.modules import ffw, inverse, matching
from taplab.modules.ffw import Carried, Displacement
from taplab.modules.matching import CellPicture, CellScores
from taplab.policies.base import Answer, Ask, Policy, Steps
from taplab.policies.paper import Paper, PaperSettings
from taplab.types import MOTION_BLOCK, CodedFrame, MotionField
from taplab.video.estimate import estimate_motion
from taplab.video.planes import luma_plane


@dataclass(eq=False)
class _Key:
    """A frame that the network saw. Probabilities, because of two raw scores the louder one would decide."""

    frame: CodedFrame
    scores: Tensor  # [C, h, w]

    @property
    def cells(self) -> tuple[int, int]:
        return int(self.scores.shape[-2]), int(self.scores.shape[-1])

    @cached_property
    def probabilities(self) -> CellScores:
        array: CellScores = self.scores.softmax(0).permute(1, 2, 0).float().contiguous().cpu().numpy()
        return array

    @cached_property
    def picture(self) -> CellPicture:
        return matching.cell_picture(self.frame.picture, self.cells)

    @cached_property
    def calm(self) -> NDArray[np.int16]:
        return matching.calm(self.probabilities)


@dataclass(frozen=True, eq=False)
class _Side:
    """The way from a frame, shown at ``display``, to a key frame; None at the key frame itself."""

    display: int
    key: _Key
    displacement: Displacement | None = None


class Offline(Policy):
    """Forward from the last key frame, backward from the next, weighed by how well the pictures match."""

    name = "offline"
    looks_ahead = True

    def __init__(self, settings: PaperSettings) -> None:
        if "rgc" in settings.modules:
            raise SettingError("mode offline has no rgc: leave it out of the modules, or use mode paper")
        self.settings = settings
        self.interval, self.modules = settings.interval, settings.modules
        self.uses_residual = "rgfs" in settings.modules
        self._keys = Paper(settings)

    def run(self, frames: Iterable[CodedFrame]) -> Steps:
        """A lane: its key frame, the frames after it and, if the stream goes on, the next lane's key frame."""
        lane = list(frames)
        keys: dict[int, _Key] = {}  # by coded index
        forward: dict[int, _Side] = {}
        for frame in lane:
            side = None
            if not self._keys.is_key(frame):
                side = _along(frame, forward, before=True) or _along(frame, forward, before=False)
            if side is None:
                keys[frame.index] = _Key(frame, (yield Ask(frame)))
                side = _Side(frame.display, keys[frame.index])
            forward[frame.index] = side
        backward = _backward(lane, keys)
        shown = sorted(key.frame.display for key in keys.values())
        for frame in lane:
            if frame.index in keys:
                yield Answer(frame, Carried(keys[frame.index].scores), "network")
            else:
                yield _fused(frame, forward[frame.index], backward.get(frame.index), _place(frame, shown))


def _fused(frame: CodedFrame, ahead: _Side, back: _Side | None, place: float) -> Answer:
    """The scores of one or two key frames, gathered by how well they match this frame's picture."""
    sides = [(ahead, 1.0)]
    if back is not None and back.key.cells == ahead.key.cells:
        sides = [(ahead, 1 - place), (back, place)]
    ways = [(side.key, side.displacement, share) for side, share in sides if side.displacement is not None]
    active = matching.unsettled([(key.calm, displacement) for key, displacement, _ in ways])
    now = matching.cell_picture(frame.picture, ahead.key.cells)
    refined = [
        (key.probabilities, key.picture, matching.refine(now, key.picture, displacement, active), share)
        for key, displacement, share in ways
    ]
    scores = torch.from_numpy(matching.gather(now, refined, active)).permute(2, 0, 1)
    return Answer(frame, Carried(scores), "fused" if len(ways) > 1 else "warped")


def _along(frame: CodedFrame, sides: dict[int, _Side], *, before: bool) -> _Side | None:
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
        return _Side(frame.display, key, ways[0])
    first = ffw.to_cells(there[0].weight, key.cells, size, MOTION_BLOCK) >= 0.5
    return _Side(frame.display, key, np.where(first[..., None], ways[0], ways[1]))


def _backward(lane: list[CodedFrame], keys: dict[int, _Key]) -> dict[int, _Side]:
    """The way of each frame to the next key frame, by coded index; nothing after the last one."""
    sides: dict[int, _Side] = {}
    following: CodedFrame | None = None
    chain = [frame for frame in lane if frame.index in keys or not _is_between(frame)]
    for frame in sorted(chain, key=lambda f: f.display, reverse=True):
        if frame.index in keys:
            sides[frame.index] = _Side(frame.display, keys[frame.index])
        elif following is not None and following.index in sides:
            side = _from_following(frame, following, sides[following.index])
            if side is not None:
                sides[frame.index] = side
        following = frame
    last = max(key.frame.display for key in keys.values())
    for frame in lane:  # B-frames point to the frames after them by themselves
        if frame.index not in sides and frame.display < last:
            side = _along(frame, sides, before=False)
            if side is not None:
                sides[frame.index] = side
    return sides


def _is_between(frame: CodedFrame) -> bool:
    """A B-frame: with vectors of its own to the frames around it, or hopes of some."""
    return frame.kind == "B" and (frame.motion is None or frame.motion.origin == "codec")


def _from_following(frame: CodedFrame, following: CodedFrame, side: _Side) -> _Side | None:
    """Backward over the link from ``following`` to ``frame``, which is the stream's own or estimated."""
    size = frame.height, frame.width
    if (following.height, following.width) != size:
        return None
    field = inverse.invert(_link(frame, following), following.index)
    return _Side(frame.display, side.key, ffw.compose(field.vectors, side.displacement, side.key.cells, size))


def _link(frame: CodedFrame, following: CodedFrame) -> MotionField:
    """Motion of ``following`` from ``frame``. I-frames have none, and some frames refer to others: it is estimated."""
    motion = following.motion
    if motion is not None and [f.reference for f in motion.fields] == [frame.index]:
        return motion.fields[0]
    luma, reference = luma_plane(following.picture), luma_plane(frame.picture)
    seed = frame.motion.fields[0] if frame.motion is not None else None
    return estimate_motion(luma, reference, frame.index, seed).fields[0]


def _place(frame: CodedFrame, keys: list[int]) -> float:
    """0 at the key frame before, 1 at the one after, in display order."""
    before = max((k for k in keys if k < frame.display), default=frame.display)
    after = min((k for k in keys if k > frame.display), default=frame.display)
    return (frame.display - before) / max(after - before, 1)
