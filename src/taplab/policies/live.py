"""Without looking ahead: every frame is answered as soon as it is decoded, from the last key frames.

What a key frame says is not taken alone: the scores of the key frames before it are brought to it and gathered with its
own, so that what the network sees once is not forgotten with the next key frame, and errors of single frames fade. As
everywhere, what does not match the picture does not count.

With ``rgc`` among the modules, the network also sees a region now and then between key frames (``regions``). A network
that is made for warping glances at every frame: what it says then is carried on to the next, beside the key frame's.
"""

from collections.abc import Generator, Iterable, Sequence

from torch import Tensor

from taplab.modules.ffw import Carried
from taplab.modules.rgc import fitted
from taplab.policies.base import Answer, Ask, Policy, Steps, Turn
from taplab.policies.keyed import HISTORY, Key, gathered, on_threads
from taplab.policies.paper import PaperSettings
from taplab.policies.regions import SHARE, Regions, region_key
from taplab.policies.schedule import Regular, Schedule
from taplab.policies.side import Side, along, estimated
from taplab.scoremap.gathered import Gathered
from taplab.types import REFERENCES_KEPT, CodedFrame, Region

KEYS_KEPT = 2  # 1 where the newest glance is kept, too: that is newer than a second key frame
REGIONS_KEPT = 4
GLANCED = 0.1  # share of a glance, beside 1 of a key frame: it is near, and what it says repeats what it was told


class Live(Policy):
    """Forward from the last key frames, weighed by how well the pictures match, and by 1 / distance in frames.

    schedule: when the network runs; with one of its own it serves one stream.
    """

    name = "live"
    refine = "fast"
    gathers = True
    endless = True

    def __init__(self, settings: PaperSettings, schedule: Schedule | None = None) -> None:
        self.settings = settings
        self.interval, self.modules = settings.interval, settings.modules
        self.uses_residual = "rgfs" in settings.modules
        self.schedule = schedule or Regular(settings)
        self.regions: Regions | None = None  # of the stream that runs
        self._mapped = on_threads()  # frames come one by one, so only their parts can share the cores

    def run(self, frames: Iterable[CodedFrame]) -> Steps:
        """All frames of a stream, in coded order."""
        known, self.regions = _Known(glances=self.glances), self._regions()
        for frame in frames:
            sides = [] if frame.damaged else known.ways(frame)
            if self.schedule.key(frame, sides):
                sides = yield from self._key(frame, sides or known.estimate(frame))
            elif (regions := self.regions) and regions.pays and self.schedule.region(frame, regions.cost(frame)):
                sides = yield from self._region(frame, sides, regions)
            elif self.glances and frame.is_reference and not frame.beyond:
                sides = yield from self._glance(frame, sides)
            else:
                yield Answer(frame, self._carried(frame, sides), "fused")
            known.add(frame, sides)

    def _regions(self) -> Regions | None:
        settings = self.settings
        wanted = "rgc" in settings.modules and not self.glances
        return Regions(settings.region, settings.stride) if wanted else None

    @property
    def notes(self) -> tuple[str, ...]:
        """See ``Regions.note``."""
        if self.glances and "rgc" in self.modules:
            return ("rgc: no regions, the network glances at every frame",)
        return (self.regions.note,) if self.regions is not None and self.regions.note else ()

    def _key(self, frame: CodedFrame, sides: Sequence[Side]) -> Generator[Ask | Answer | Turn, Tensor, list[Side]]:
        """The network sees the frame; its scores are gathered with those of the key frames before."""
        key = Key(frame, (yield Ask(frame)))
        history = [side for side in sides if side.key.cells == key.cells]
        regions, tried = self.regions, None
        if regions is not None and regions.on_trial and history and self.schedule.tries(regions.cost(frame)):
            tried = yield from self._trial(key, history, regions)
        key.gather(_faded(history), self._mapped)
        yield Answer(frame, key.answer, "network", tried)
        return [Side(frame, key), *history]

    def _region(
        self, frame: CodedFrame, sides: list[Side], regions: Regions
    ) -> Generator[Ask | Answer | Turn, Tensor, list[Side]]:
        """The network sees a region of the frame, which becomes one more key frame as far as it reaches."""
        region = regions.where(frame, self._carried(frame, sides))
        key = region_key(frame, region, (yield Ask(frame, region)), sides[0].key.cells)
        sides = [*sides, Side(frame, key)]
        yield Answer(frame, self._carried(frame, sides), "corrected", region)
        return sides

    def _glance(self, frame: CodedFrame, sides: list[Side]) -> Generator[Ask | Answer | Turn, Tensor, list[Side]]:
        """The network has a glance at the frame and at what was carried there; it may say something finer."""
        scores, cells = (yield Ask(frame, carried=self._carried(frame, sides))), sides[0].key.cells
        yield Answer(frame, Carried(scores), "followed")
        return [*sides, Side(frame, Key(frame, fitted(scores, cells), glance=True))]

    def _trial(
        self, key: Key, history: Sequence[Side], regions: Regions
    ) -> Generator[Ask | Answer | Turn, Tensor, Region]:
        """Would a region have done better on this key frame than what is carried there?"""
        carried = self._carried(key.frame, history)
        region = regions.where(key.frame, carried)
        seen = region_key(key.frame, region, (yield Ask(key.frame, region)), key.cells)
        regions.compare(key.scores, carried.scores, seen)
        return region

    def _carried(self, frame: CodedFrame, sides: Sequence[Side]) -> Gathered:
        """What the key frames say, each with 1 / distance for its share, regions and glances with less."""
        shares = [_share(side.key) / max(abs(frame.display - side.key.frame.display), 1) for side in sides]
        return gathered(frame, list(zip(sides, shares, strict=True)), self._mapped)


def _faded(history: Sequence[Side]) -> list[tuple[Side, float]]:
    """Shares of the key frames before, newest first, and of the regions and the glance, in a new one."""
    whole = [side for side in history if side.key.is_whole]
    shares = {id(side): HISTORY ** (k + 1) for k, side in enumerate(whole)}
    return [(side, shares.get(id(side), _share(side.key) * HISTORY)) for side in history]


def _share(key: Key) -> float:
    if key.glance:
        return GLANCED
    return SHARE if key.is_region else 1.0


class _Known:
    """The ways from the newest reference frames to the newest key frames."""

    def __init__(self, *, glances: bool = False) -> None:
        self.glances = glances
        self.keys: list[Key] = []  # newest first, whole ones before all others
        self.sides: dict[int, list[Side]] = {}  # by coded index
        self.last: CodedFrame | None = None
        self.last_sides: list[Side] = []

    def ways(self, frame: CodedFrame) -> list[Side]:
        """Along the stream's own vectors, to each key frame that they lead to; none if no whole one is left."""
        found = []
        for key in self.keys:
            there = {index: side for index, sides in self.sides.items() for side in sides if side.key is key}
            side = along(frame, there, before=True) or along(frame, there, before=False)
            if side is not None:
                found.append(side)
        return found if found and found[0].key.is_whole else []

    def estimate(self, frame: CodedFrame) -> list[Side]:
        """By way of the frame before, where the stream has no vectors; never from or into damage, or a scene."""
        last = self.last
        if last is None or last.damaged or frame.damaged or last.scene != frame.scene:
            return []
        if (last.height, last.width) != (frame.height, frame.width):
            return []
        field = estimated(frame, last)
        return [side.before(frame, field) for side in self.last_sides]

    def add(self, frame: CodedFrame, sides: list[Side]) -> None:
        """Takes in a frame that was answered; forgets what is too old."""
        there = {id(key) for key in self.keys}
        known = [side.key for side in sides if id(side.key) not in there] + self.keys
        known.sort(key=lambda key: -key.frame.display)
        whole = [key for key in known if key.is_whole][: 1 if self.glances else KEYS_KEPT]
        regions = [key for key in known if key.is_region][:REGIONS_KEPT]
        self.keys = whole + regions + [key for key in known if key.glance][:1]
        self.last, self.last_sides = frame, [side for side in sides if side.key in self.keys]
        if frame.is_reference:
            self.sides[frame.index] = self.last_sides
            while len(self.sides) > REFERENCES_KEPT:
                del self.sides[min(self.sides)]
