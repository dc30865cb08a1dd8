"""Where the key frames of a lane stand, decided before the network runs: the interval follows the motion.

A lane begins with one stretch, from its key frame to the next lane's. A stretch is judged by the frame in its middle,
which matches the key frames around it worst, and the worst stretch is cut in two, until what is asked for is reached.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import torch

from taplab.policies.bucket import Bucket
from taplab.policies.dial import Dial
from taplab.policies.forecast import BETWEEN, ONE_SIDED, Forecast
from taplab.policies.keyed import Key
from taplab.policies.offline import Links, Offline, backward, forward
from taplab.policies.paper import Paper, PaperSettings
from taplab.policies.side import Side
from taplab.scoremap.mismatch import grid
from taplab.types import CodedFrame


@dataclass(frozen=True, eq=False)
class Stretch:
    """frames: from one key frame, not included, to the next, in display order. mismatch: their mean."""

    frames: tuple[CodedFrame, ...]
    mismatch: float

    @property
    def mean(self) -> float:
        """Mean mismatch with the key frame counted, which has none."""
        return self.mismatch * len(self.frames) / (len(self.frames) + 1)

    @property
    def total(self) -> float:
        """What a key frame in it can be good for."""
        return self.mismatch * len(self.frames)

    @property
    def middle(self) -> CodedFrame:
        """The reference frame nearest to the middle, or if there is none the frame; a key frame there halves it."""
        references = [frame for frame in self.frames if frame.is_reference] or self.frames
        return references[len(references) // 2]


class Limit(Protocol):
    """What a plan is to keep to."""

    def begin(self, frames: int, keys: int) -> None:
        """A lane of so many frames, of which ``keys`` must be key frames."""

    def next(self, stretches: Sequence[Stretch], *, last: bool) -> Stretch | None:
        """The stretch to be cut, None if it is good; last: the lane is the last one of the stream."""


class QualityLimit:
    """Every stretch within ``tolerance``, mean mismatch in grey levels."""

    def __init__(self, tolerance: float) -> None:
        self.tolerance = tolerance

    def begin(self, frames: int, keys: int) -> None:
        """See ``Limit``."""

    def next(self, stretches: Sequence[Stretch], *, last: bool) -> Stretch | None:
        """See ``Limit``."""
        return next((s for s in stretches if s.mean > self.tolerance), None)


class BudgetLimit:
    """The worst stretch first, as long as the bucket grants it."""

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self._least: float | None = None  # total of the last stretch that was cut in this lane

    def begin(self, frames: int, keys: int) -> None:
        """See ``Limit``."""
        if self._least is not None:
            self.bucket.learn(self._least)
        self._least = None
        self.bucket.earn(frames)
        for _ in range(keys):
            self.bucket.spend()

    def next(self, stretches: Sequence[Stretch], *, last: bool) -> Stretch | None:
        """See ``Limit``."""
        worst = max(stretches, key=lambda s: s.total, default=None)
        reserve = 0.0 if last else 1.0  # for the key frame that the next lane begins with
        if worst is None or not self.bucket.grants(worst.total, reserve=reserve, last=last):
            return None
        self.bucket.spend()
        self._least = worst.total
        return worst


class Planner:
    """Plans lanes one after another, in the order of the stream.

    must: is a frame a key frame, whatever the limit says? limit: None leaves it at those.
    """

    def __init__(self, must: Callable[[CodedFrame], bool], limit: Limit | None, forecast: Forecast) -> None:
        self.must, self.limit, self.forecast = must, limit, forecast

    def __call__(self, lane: Sequence[CodedFrame], links: Links) -> set[int]:
        """Coded indices of the key frames of a lane, with that of the next lane at its end, if there is one.

        links: takes motion that was turned round, for those who go the same ways later.
        """
        keys = {frame.index: _unseen(frame) for frame in lane if self.must(frame)}
        known: dict[tuple[int, ...], Stretch] = {}
        stretches = self._stretches(lane, keys, links, known)  # finds frames that no motion leads to
        own = [f for f in lane if f is lane[0] or not f.shared]
        if self.limit is not None:
            self.limit.begin(_shown(own), sum(f.index in keys for f in own))
            last = not any(f.shared for f in lane[1:])
            while (worst := self.limit.next(stretches, last=last)) is not None:
                keys[worst.middle.index] = _unseen(worst.middle)
                stretches = self._stretches(lane, keys, links, known)
        self.forecast.add(_shown(f for f in own if f.index in keys))
        for stretch in stretches:
            self.forecast.add(_shown(stretch.frames), stretch.mismatch)
        return set(keys)

    def _stretches(
        self,
        lane: Sequence[CodedFrame],
        keys: dict[int, Key],
        links: Links,
        known: dict[tuple[int, ...], Stretch],
    ) -> list[Stretch]:
        """Between the key frames; ``keys`` takes those that no motion leads to, ``known`` those that were judged."""
        ahead: dict[int, Side] = {}
        for frame in lane:
            side = None if frame.index in keys else forward(frame, ahead)
            if side is None:
                side = Side(frame, keys.setdefault(frame.index, _unseen(frame)))
            ahead[frame.index] = side
        back = backward(lane, keys, ahead, links)
        for key in keys.values():
            key.around.clear()  # nothing is to be gathered, and frames are to be let go
        shown = sorted(lane, key=lambda f: f.display)
        ends = [k for k, frame in enumerate(shown) if frame.index in keys]
        runs = [tuple(shown[a + 1 : b]) for a, b in pairwise([-1, *ends, len(shown)])]
        for frames in filter(None, runs):
            span = tuple(f.index for f in frames)
            if span not in known:
                middle = frames[len(frames) // 2]
                sides = [s[middle.index] for s in (ahead, back) if middle.index in s]
                shape = BETWEEN if len(sides) > 1 else ONE_SIDED
                known[span] = Stretch(frames, shape * self.forecast.compare(middle, sides))
        return [known[tuple(f.index for f in frames)] for frames in runs if frames]


def _shown(frames: Iterable[CodedFrame]) -> int:
    """How many of them count: not those that are only there because others are predicted from them."""
    return sum(not frame.beyond for frame in frames)


def _unseen(frame: CodedFrame) -> Key:
    """A key frame before the network saw it: its scores are a shape, that of the grid on which frames are compared."""
    return Key(frame, torch.empty((1, *grid((frame.height, frame.width))), device="meta"))


def offline(settings: PaperSettings, dial: Dial) -> Offline:
    """The policy that does what is asked for."""
    forecast = Forecast(dial.relations.offline)
    limit: Limit | None = None
    if dial.quality is not None:
        limit = QualityLimit(dial.relations.offline.mismatch(dial.quality))
    elif dial.budget is not None:
        limit = BudgetLimit(Bucket(dial.budget, dial.budget * settings.interval / 2))
    policy = Offline(settings, Planner(Paper(settings).is_key, limit, forecast))
    policy.forecast, policy.bridges = forecast, bool(dial.asked)
    return policy
