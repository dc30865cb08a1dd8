"""Looking ahead: every frame between two key frames gets the scores of both.

The network's work is that of FFW: one pass at each key frame. The frames of a lane are answered once the next lane's
key frame is known.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor

from taplab.errors import SettingError
from taplab.modules import ffw, fusion
from taplab.modules.ffw import Carried
from taplab.policies.base import Answer, Ask, Policy, Steps
from taplab.policies.paper import Paper, PaperSettings
from taplab.types import CodedFrame, Motion, MotionField, Residual
from taplab.video.estimate import estimate_motion
from taplab.video.planes import luma_plane
from taplab.video.residual import measure_residual


@dataclass(eq=False)
class _Side:
    """Scores that came to a frame from one side, and the doubt that they gathered."""

    carried: Carried
    doubt: fusion.Doubt


class Offline(Policy):
    """Forward from the last key frame, backward from the next, fused by distance and accumulated residual."""

    name = "offline"
    looks_ahead = True

    def __init__(self, settings: PaperSettings) -> None:
        if "rgc" in settings.modules:
            raise SettingError("mode offline has no rgc: leave it out of the modules, or use mode paper")
        self.settings = settings
        self.interval, self.modules = settings.interval, settings.modules
        self._keys = Paper(settings)

    def run(self, frames: Iterable[CodedFrame]) -> Steps:
        """A lane: its key frame, the frames after it and, if the stream goes on, the next lane's key frame."""
        lane = list(frames)
        scores: dict[int, Tensor] = {}  # of the frames that the network saw, by coded index
        forward: dict[int, _Side] = {}
        for frame in lane:
            side = None if self._keys.is_key(frame) else _propagate(frame, forward)
            if side is None:
                scores[frame.index] = yield Ask(frame)
                side = _fresh(scores[frame.index])
            forward[frame.index] = side
        backward = self._backward(lane, scores)
        keys = sorted(frame.display for frame in lane if frame.index in scores)
        for frame in lane:
            side, other = forward[frame.index], backward.get(frame.index)
            if frame.index in scores:
                yield Answer(frame, Carried(scores[frame.index]), "network")
            elif other is None or other.carried.origin.shape != side.carried.origin.shape:
                yield Answer(frame, side.carried, "warped")
            else:
                fused = fusion.fuse(side.carried, other.carried, _place(frame, keys), (side.doubt, other.doubt))
                yield Answer(frame, fused, "fused")

    def _backward(self, lane: list[CodedFrame], scores: dict[int, Tensor]) -> dict[int, _Side]:
        """What comes to each frame from the next key frame, by coded index; nothing after the last one."""
        sides: dict[int, _Side] = {}
        following: CodedFrame | None = None
        chain = [frame for frame in lane if frame.index in scores or not _is_between(frame)]
        for frame in sorted(chain, key=lambda f: f.display, reverse=True):
            if frame.index in scores:
                sides[frame.index] = _fresh(scores[frame.index])
            elif following is not None and following.index in sides:
                side = _from_following(frame, following, sides[following.index])
                if side is not None:
                    sides[frame.index] = side
            following = frame
        last = max(frame.display for frame in lane if frame.index in scores)
        for frame in lane:  # B-frames point to the frames around them by themselves
            if frame.index not in sides and frame.display < last:
                side = _propagate(frame, sides)
                if side is not None:
                    sides[frame.index] = side
        return sides


def _is_between(frame: CodedFrame) -> bool:
    """A B-frame: with vectors of its own to the frames around it, or hopes of some."""
    return frame.kind == "B" and (frame.motion is None or frame.motion.origin == "codec")


def _fresh(scores: Tensor) -> _Side:
    """Of a frame that the network saw. Probabilities, because of two raw scores the louder one would decide."""
    cells = int(scores.shape[-2]), int(scores.shape[-1])
    return _Side(Carried(scores.softmax(0)), fusion.no_doubt(cells))


def _propagate(frame: CodedFrame, sides: dict[int, _Side]) -> _Side | None:
    """FFW from the frames that this one refers to. None where that is not possible."""
    if frame.motion is None or frame.residual is None:
        return None
    size = frame.height, frame.width
    known = {index: side.carried for index, side in sides.items()}
    carried = ffw.propagate(frame.motion, known, size)
    if carried is None:
        return None
    sources = [(field, sides[field.reference].doubt) for field in frame.motion.fields]
    return _Side(carried, fusion.accumulate(frame.residual, sources, size))


def _from_following(frame: CodedFrame, following: CodedFrame, side: _Side) -> _Side | None:
    """Backward over the link from ``following`` to ``frame``, which is the stream's own or estimated."""
    size = frame.height, frame.width
    if (following.height, following.width) != size:
        return None
    field, residual = _link(frame, following)
    inverse = fusion.invert(field, residual, following.index)
    cells = side.doubt.shape[0], side.doubt.shape[1]
    displacement = ffw.compose(inverse.vectors, side.carried.displacement, cells, size)
    met = fusion.doubt_of(residual, cells, size) + fusion.LEAK * side.doubt
    return _Side(Carried(side.carried.origin, displacement), fusion.carry(met, inverse, size))


def _link(frame: CodedFrame, following: CodedFrame) -> tuple[MotionField, Residual]:
    """Motion of ``following`` from ``frame``. I-frames have none, and some frames refer to others: it is estimated."""
    motion = following.motion
    if motion is not None and following.residual is not None and [f.reference for f in motion.fields] == [frame.index]:
        return motion.fields[0], following.residual
    luma, reference = luma_plane(following.picture), luma_plane(frame.picture)
    seed = frame.motion.fields[0] if frame.motion is not None else None
    estimated: Motion = estimate_motion(luma, reference, frame.index, seed)
    return estimated.fields[0], measure_residual(luma, (reference,), estimated, 30)


def _place(frame: CodedFrame, keys: list[int]) -> float:
    """0 at the key frame before, 1 at the one after, in display order."""
    before = max((k for k in keys if k < frame.display), default=frame.display)
    after = min((k for k in keys if k > frame.display), default=frame.display)
    return (frame.display - before) / max(after - before, 1)
