"""What ``live`` does where something is asked for, and how it watches itself where nothing is."""

import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence

from taplab.policies.base import Ask, Steps
from taplab.policies.bucket import Bucket, Pace
from taplab.policies.dial import Dial
from taplab.policies.forecast import ONE_SIDED, Forecast
from taplab.policies.live import Live
from taplab.policies.paper import PaperSettings
from taplab.policies.schedule import Regular, Schedule
from taplab.policies.side import Side
from taplab.types import CodedFrame


class Rule(Schedule):
    """Key frames are due where no motion leads to one, after the interval, or where ``wants`` says so.

    Frames are compared with the last key frame. Those that no other refers to are never due: they would be of no use to
    the frames after them.
    """

    def __init__(self, interval: int, forecast: Forecast) -> None:
        self.interval, self.forecast = interval, forecast
        self._last_key = 0  # display position

    def key(self, frame: CodedFrame, sides: Sequence[Side]) -> bool:
        """See ``Schedule``."""
        must = not sides or (frame.is_reference and frame.display - self._last_key >= self.interval)
        mismatch = 0.0 if must else self.forecast.compare(frame, sides[:1])
        due = must or (frame.is_reference and self.wants(mismatch))
        if due:
            self._last_key = frame.display
        self.took(mismatch, key=due, had_to=must)
        self.forecast.add(1, 0.0 if due else mismatch)
        return due

    @abstractmethod
    def wants(self, mismatch: float) -> bool:
        """Should a frame of so many grey levels of mismatch be a key frame?"""

    @abstractmethod
    def took(self, mismatch: float, *, key: bool, had_to: bool) -> None:
        """What became of it."""


class QualityRule(Rule):
    """The mean mismatch since the last key frame, it and this frame counted, within ``tolerance`` grey levels."""

    def __init__(self, interval: int, forecast: Forecast, tolerance: float) -> None:
        super().__init__(interval, forecast)
        self.tolerance = tolerance
        self._frames, self._total = 0, 0.0

    def wants(self, mismatch: float) -> bool:
        """See ``Rule``."""
        return self._total + mismatch > self.tolerance * (self._frames + 1)

    def took(self, mismatch: float, *, key: bool, had_to: bool) -> None:
        """See ``Rule``."""
        self._frames, self._total = (1, 0.0) if key else (self._frames + 1, self._total + mismatch)


class BudgetRule(Rule):
    """What the bucket grants, regions too."""

    def __init__(self, interval: int, forecast: Forecast, bucket: Bucket) -> None:
        super().__init__(interval, forecast)
        self.bucket = bucket
        self._for_trial = 0.0  # passes that are put by

    def wants(self, mismatch: float) -> bool:
        """See ``Rule``."""
        return self.bucket.grants(mismatch, reserve=self._for_trial)

    def took(self, mismatch: float, *, key: bool, had_to: bool) -> None:
        """See ``Rule``."""
        if key:
            self.bucket.spend()
        if key and not had_to:
            self.bucket.learn(mismatch)
        self.bucket.earn()

    def tries(self, cost: float) -> bool:
        """See ``Schedule``; where it is not there it will be at a later key frame."""
        granted = self.bucket.level >= cost
        if granted:
            self.bucket.spend(cost)
        self._for_trial = 0.0 if granted else cost
        return granted

    def region(self, frame: CodedFrame, cost: float) -> bool:
        """See ``Schedule``."""
        self.bucket.put_by(cost)
        return frame.is_reference and self.bucket.spends_on_region(cost)


class PaceRule(Rule):
    """What there is time for, regions too."""

    def __init__(self, interval: int, forecast: Forecast, pace: Pace) -> None:
        super().__init__(interval, forecast)
        self.pace = pace

    def wants(self, mismatch: float) -> bool:
        """See ``Rule``."""
        return self.pace.affordable

    def took(self, mismatch: float, *, key: bool, had_to: bool) -> None:
        """See ``Rule``; ``PacedLive`` measures."""

    def tries(self, cost: float) -> bool:
        """See ``Schedule``; not where there is time for the network on every frame."""
        return self.pace.interval > 1

    def region(self, frame: CodedFrame, cost: float) -> bool:
        """See ``Schedule``."""
        self.pace.put_by()
        return frame.is_reference and self.pace.affords_region


class PacedLive(Live):
    """``Live`` with a watch: how long frames take, from when they come to when the next is asked for."""

    def __init__(self, settings: PaperSettings, rule: PaceRule) -> None:
        super().__init__(settings, rule)
        self.pace = rule.pace
        self._network: float | None = None  # seconds, of the frame at hand
        self._for_region: float | None = None

    def run(self, frames: Iterable[CodedFrame]) -> Steps:
        """See ``Live``."""
        steps, reply = super().run(self._timed(frames)), None
        while True:
            try:
                step = next(steps) if reply is None else steps.send(reply)
            except StopIteration:
                return
            started = self.pace.clock()
            reply = yield step
            took = self.pace.clock() - started
            if isinstance(step, Ask) and step.region is not None:
                self._for_region = took
            elif isinstance(step, Ask) and step.carried is None:  # glances are the same for every frame
                self._network = took

    def _timed(self, frames: Iterable[CodedFrame]) -> Iterator[CodedFrame]:
        for frame in frames:
            started, self._network, self._for_region = self.pace.clock(), None, None
            yield frame
            self.pace.add(self.pace.clock() - started, self._network, self._for_region)


class Watch(Regular):
    """Changes nothing: the key frames of ``Paper``. Compares one frame between each two, in the middle."""

    def __init__(self, settings: PaperSettings, forecast: Forecast) -> None:
        super().__init__(settings)
        self.forecast, self._middle = forecast, max(settings.interval // 2, 1)
        self._since = 0  # frames since the last key frame
        self._mismatch = 0.0  # mean of them

    def key(self, frame: CodedFrame, sides: Sequence[Side]) -> bool:
        """See ``Schedule``."""
        due = super().key(frame, sides)
        self._since = 0 if due else self._since + 1
        if due:
            self.forecast.add(1)
        elif self._since == self._middle:
            self._mismatch = ONE_SIDED * self.forecast.compare(frame, sides[:1])
            self.forecast.add(self._since, self._mismatch)
        elif self._since > self._middle:
            self.forecast.add(1, self._mismatch)
        return due


def live(settings: PaperSettings, dial: Dial, clock: Callable[[], float] = time.perf_counter) -> Live:
    """The policy that does what is asked for."""
    forecast = Forecast(dial.relations.live)
    policy: Live
    if dial.quality is not None:
        tolerance = dial.relations.live.mismatch(dial.quality)
        policy = Live(settings, QualityRule(settings.interval, forecast, tolerance))
    elif dial.budget is not None:
        policy = Live(settings, BudgetRule(settings.interval, forecast, Bucket(dial.budget)))
    elif dial.target_fps is not None:
        pace = Pace(dial.target_fps, clock)
        policy = PacedLive(settings, PaceRule(settings.interval, forecast, pace))
    else:
        policy = Live(settings, Watch(settings, forecast))
    policy.forecast, policy.bridges = forecast, bool(dial.asked)
    return policy
