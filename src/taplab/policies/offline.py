"""Looking ahead: every frame between two key frames gets the scores of both.

The network's work is that of FFW: one pass at each key frame. What a key frame says is not taken alone: it is gathered
with what the key frames before and after it say, so that errors of single frames fade. The frames of a lane are
answered once both key frames around them have done so, in the turn of the next lane.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from taplab.errors import SettingError
from taplab.modules import inverse
from taplab.policies.base import Answer, Ask, Policy, Steps, Turn
from taplab.policies.keyed import HISTORY, Key, gathered, on_threads
from taplab.policies.paper import Paper, PaperSettings
from taplab.policies.side import Side, along, estimated
from taplab.scoremap.gathering import Mapped
from taplab.types import CodedFrame, MotionField

MOSTLY = 0.75  # share of blocks from one reference beside which the others may take its motion, too

# A frame and the one shown after it, by their coded indices -> motion from that one to the frame, and turned round.
Links = dict[tuple[int, int], tuple[MotionField, MotionField]]
Planner = Callable[[Sequence[CodedFrame], Links], set[int]]  # coded indices of the key frames of a lane


class Offline(Policy):
    """Forward from the last key frame, backward from the next, weighed by how well the pictures match.

    planner: chooses the key frames of a lane before the network runs; those of ``Paper`` if there is none.
    """

    name = "offline"
    refine = "fast"
    gathers = True
    looks_ahead = True

    def __init__(self, settings: PaperSettings, planner: Planner | None = None) -> None:
        if "rgc" in settings.modules:
            raise SettingError("mode offline has no rgc: leave it out of the modules, or use mode live or paper")
        self.settings = settings
        self.interval, self.modules = settings.interval, settings.modules
        self.uses_residual = "rgfs" in settings.modules
        self._keys, self._planner = Paper(settings), planner
        self._mapped = on_threads()

    def run(self, frames: Iterable[CodedFrame]) -> Steps:
        """A lane: its key frame, the frames after it and, if the stream goes on, the next lane's key frame.

        The frames are answered when the key frames on both sides know their neighbours: in the turn of the next lane.
        """
        lane, links = list(frames), Links()
        planned = self._planned(lane, links)
        keys: dict[int, Key] = {}  # by coded index
        ahead: dict[int, Side] = {}
        for frame in lane:
            side = None if frame.index in planned else forward(frame, ahead)
            if side is None:
                scores = yield Ask(frame)
                keys[frame.index] = _shared(Key(frame, scores))
                side = Side(frame, keys[frame.index])
            ahead[frame.index] = side
        back = backward(lane, keys, ahead, links)
        yield Turn()
        yield from _turn(lane, keys, ahead, back, self._mapped)

    def _planned(self, lane: list[CodedFrame], links: Links) -> set[int]:
        """Coded indices of the key frames that are known before the network runs."""
        if self._planner is not None:
            return self._planner(lane, links)
        return {frame.index for frame in lane if self._keys.is_key(frame)}


def _turn(
    lane: list[CodedFrame], keys: dict[int, Key], ahead: dict[int, Side], back: dict[int, Side], mapped: Mapped
) -> Iterator[Answer]:
    """Answers what the lane before left waiting; leaves its own frames to the next lane, if there is one."""
    mine = [frame for frame in lane if frame is lane[0] or not frame.shared]
    for frame in sorted(mine, key=lambda f: f.display):
        if frame.index in keys:
            _remember(keys[frame.index], mapped)
    first, lane[0].known = keys[lane[0].index], None
    waiting, first.waiting = first.waiting, ()
    yield from waiting
    answers = _answers(mine, keys, ahead, back)
    borrowed = [keys[frame.index] for frame in lane[1:] if frame.shared]
    if borrowed:
        borrowed[0].waiting = answers
    else:
        yield from answers


def _shared(key: Key) -> Key:
    """One and the same in both lanes that have it."""
    if not key.frame.shared:
        return key
    if key.frame.known is None:
        key.frame.known = key
    known: Key = key.frame.known
    return known


def _remember(key: Key, mapped: Mapped) -> None:
    """What the key frames around say of this one; the one before has its own by now: it fades from key to key."""
    sides = [side for side in key.around if side.key.cells == key.cells]
    if sides:
        key.gather([(side, HISTORY) for side in sorted(sides, key=lambda side: side.key.frame.display)], mapped)
    key.around.clear()


def _answers(
    frames: list[CodedFrame], keys: dict[int, Key], ahead: dict[int, Side], back: dict[int, Side]
) -> Iterator[Answer]:
    shown = sorted(key.frame.display for key in keys.values())
    for frame in frames:
        if frame.index in keys:
            yield Answer(frame, keys[frame.index].answer, "network")
        else:
            yield _fused(frame, ahead[frame.index], back.get(frame.index), _place(frame, shown))


def _fused(frame: CodedFrame, ahead: Side, back: Side | None, place: float) -> Answer:
    if back is None or back.key.cells != ahead.key.cells:
        return Answer(frame, gathered(frame, [(ahead, 1.0)]), "warped")
    return Answer(frame, gathered(frame, [(ahead, 1 - place), (back, place)]), "fused")


def forward(frame: CodedFrame, ahead: Mapping[int, Side]) -> Side | None:
    """The way of a frame to the last key frame, along the stream's vectors."""
    return along(frame, ahead, before=True) or along(frame, ahead, before=False)


def backward(
    lane: Sequence[CodedFrame], keys: Mapping[int, Key], ahead: Mapping[int, Side], links: Links
) -> dict[int, Side]:
    """The way of each frame to the next key frame, by coded index; nothing after the last one.

    The key frames learn the ways to those before and after them.
    """
    sides: dict[int, Side] = {}
    following: CodedFrame | None = None
    chain = [frame for frame in lane if frame.index in keys or not _is_between(frame)]
    for frame in sorted(chain, key=lambda f: f.display, reverse=True):
        if following is not None and following.index in sides and _is_linked(frame, following):
            link, turned = _linked(frame, following, links)
            sides[frame.index] = sides[following.index].before(frame, turned)
            if following.index in keys:
                keys[following.index].around.append(ahead[frame.index].before(following, link))
        if frame.index in keys:
            keys[frame.index].around += [sides[frame.index]] if frame.index in sides else []
            sides[frame.index] = Side(frame, keys[frame.index])
        following = frame
    last = max(key.frame.display for key in keys.values())
    for frame in lane:  # B-frames point to the frames after them by themselves
        if frame.index not in sides and frame.display < last:
            side = along(frame, sides, before=False)
            if side is not None:
                sides[frame.index] = side
    return sides


def _is_between(frame: CodedFrame) -> bool:
    """A B-frame: with motion of its own to the frames around it, or hopes of some."""
    return frame.kind == "B" and (frame.motion is None or frame.motion.origin != "estimated" or not frame.is_reference)


def _is_linked(frame: CodedFrame, following: CodedFrame) -> bool:
    """Nothing is carried between scenes or sizes, out of damage or into it."""
    same = (following.height, following.width, following.scene) == (frame.height, frame.width, frame.scene)
    return same and not (following.damaged or frame.damaged)


def _linked(frame: CodedFrame, following: CodedFrame, links: Links) -> tuple[MotionField, MotionField]:
    """Motion of ``following`` from ``frame`` and the other way; ``links`` takes it, for the next time."""
    ends = frame.index, following.index
    if ends not in links:
        link = _link(frame, following)
        links[ends] = link, inverse.invert(link, following.index)
    return links[ends]


def _link(frame: CodedFrame, following: CodedFrame) -> MotionField:
    """Motion of ``following`` from ``frame``. I-frames have none, and some frames refer to others: it is estimated."""
    fields = following.motion.fields if following.motion is not None else ()
    own = [f for f in fields if f.reference == frame.index and (len(fields) == 1 or f.weight.mean() > MOSTLY)]
    return own[0] if own else estimated(following, frame)


def _place(frame: CodedFrame, keys: list[int]) -> float:
    """0 at the key frame before, 1 at the one after, in display order."""
    before = max((k for k in keys if k < frame.display), default=frame.display)
    after = min((k for k in keys if k > frame.display), default=frame.display)
    return (frame.display - before) / max(after - before, 1)
