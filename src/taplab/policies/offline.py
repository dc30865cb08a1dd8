"""Looking ahead: every frame between two key frames gets the scores of both.

The network's work is that of FFW: one pass at each key frame. The frames of a lane are answered once the next lane's
key frame is known.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from taplab.errors import SettingError
from taplab.modules import inverse
from taplab.modules.ffw import Carried
from taplab.policies.base import Answer, Ask, Policy, Steps
from taplab.policies.keyed import Key, Side, along, estimated, gathered
from taplab.policies.paper import Paper, PaperSettings
from taplab.types import CodedFrame, MotionField

Links = dict[tuple[int, int], MotionField]  # from a frame to the one shown after it, by their coded indices
Planner = Callable[[Sequence[CodedFrame], Links], set[int]]  # coded indices of the key frames of a lane

REACH = 1  # cells: two key frames that agree need no comparison closer to their edges than that


class Offline(Policy):
    """Forward from the last key frame, backward from the next, weighed by how well the pictures match.

    planner: chooses the key frames of a lane before the network runs; those of ``Paper`` if there is none.
    """

    name = "offline"
    looks_ahead = True

    def __init__(self, settings: PaperSettings, planner: Planner | None = None) -> None:
        if "rgc" in settings.modules:
            raise SettingError("mode offline has no rgc: leave it out of the modules, or use mode paper")
        self.settings = settings
        self.interval, self.modules = settings.interval, settings.modules
        self.uses_residual = "rgfs" in settings.modules
        self._keys, self._planner = Paper(settings), planner

    def run(self, frames: Iterable[CodedFrame]) -> Steps:
        """A lane: its key frame, the frames after it and, if the stream goes on, the next lane's key frame."""
        lane, links = list(frames), Links()
        planned = self._planned(lane, links)
        keys: dict[int, Key] = {}  # by coded index
        ahead: dict[int, Side] = {}
        for frame in lane:
            side = None if frame.index in planned else forward(frame, ahead)
            if side is None:
                keys[frame.index] = Key(frame, (yield Ask(frame)), REACH)
                side = Side(frame.display, keys[frame.index])
            ahead[frame.index] = side
        back = backward(lane, keys, links)
        shown = sorted(key.frame.display for key in keys.values())
        for frame in lane:
            if frame.index in keys:
                yield Answer(frame, Carried(keys[frame.index].scores), "network")
            else:
                yield _fused(frame, ahead[frame.index], back.get(frame.index), _place(frame, shown))

    def _planned(self, lane: list[CodedFrame], links: Links) -> set[int]:
        """Coded indices of the key frames that are known before the network runs."""
        if self._planner is not None:
            return self._planner(lane, links)
        return {frame.index for frame in lane if self._keys.is_key(frame)}


def _fused(frame: CodedFrame, ahead: Side, back: Side | None, place: float) -> Answer:
    if back is None or back.key.cells != ahead.key.cells:
        return Answer(frame, gathered(frame, [(ahead, 1.0)]), "warped")
    return Answer(frame, gathered(frame, [(ahead, 1 - place), (back, place)]), "fused")


def forward(frame: CodedFrame, ahead: Mapping[int, Side]) -> Side | None:
    """The way of a frame to the last key frame, along the stream's vectors."""
    return along(frame, ahead, before=True) or along(frame, ahead, before=False)


def backward(lane: Sequence[CodedFrame], keys: Mapping[int, Key], links: Links) -> dict[int, Side]:
    """The way of each frame to the next key frame, by coded index; nothing after the last one."""
    sides: dict[int, Side] = {}
    following: CodedFrame | None = None
    chain = [frame for frame in lane if frame.index in keys or not _is_between(frame)]
    for frame in sorted(chain, key=lambda f: f.display, reverse=True):
        if frame.index in keys:
            sides[frame.index] = Side(frame.display, keys[frame.index])
        elif following is not None and following.index in sides:
            side = _from_following(frame, following, sides[following.index], links)
            if side is not None:
                sides[frame.index] = side
        following = frame
    last = max(key.frame.display for key in keys.values())
    for frame in lane:  # B-frames point to the frames after them by themselves
        if frame.index not in sides and frame.display < last:
            side = along(frame, sides, before=False)
            if side is not None:
                sides[frame.index] = side
    return sides


def _is_between(frame: CodedFrame) -> bool:
    """A B-frame: with vectors of its own to the frames around it, or hopes of some."""
    return frame.kind == "B" and (frame.motion is None or frame.motion.origin == "codec")


def _from_following(frame: CodedFrame, following: CodedFrame, side: Side, links: Links) -> Side | None:
    """Backward over the link from ``following`` to ``frame``, which is the stream's own or estimated."""
    if (following.height, following.width) != (frame.height, frame.width) or following.damaged or frame.damaged:
        return None
    link = frame.index, following.index
    if link not in links:
        links[link] = inverse.invert(_link(frame, following), following.index)
    return side.before(frame, links[link])


def _link(frame: CodedFrame, following: CodedFrame) -> MotionField:
    """Motion of ``following`` from ``frame``. I-frames have none, and some frames refer to others: it is estimated."""
    motion = following.motion
    if motion is not None and [f.reference for f in motion.fields] == [frame.index]:
        return motion.fields[0]
    return estimated(following, frame)


def _place(frame: CodedFrame, keys: list[int]) -> float:
    """0 at the key frame before, 1 at the one after, in display order."""
    before = max((k for k in keys if k < frame.display), default=frame.display)
    after = min((k for k in keys if k > frame.display), default=frame.display)
    return (frame.display - before) / max(after - before, 1)
