"""One dial: what is asked of a run, instead of an interval, and what a mismatch of pictures is predicted to cost.

How far labels will disagree with those of the network on every frame is known before the network runs: the share of
pixels that differ grows in proportion to the mean mismatch with the key frames (``modules.mismatch``). What that costs
in mIoU was fitted on synthetic drives, where truth is known: the first few per cent cost nothing, since what carries
scores also averages single errors of the network away.
"""

import math
from dataclasses import asdict, dataclass, field, replace

from taplab.errors import SettingError
from taplab.policies.paper import PaperSettings
from taplab.words import is_number

INTERVAL = 24  # frames: at most, where something is asked for and no interval is given
LEAST_BUDGET = 0.01


@dataclass(frozen=True)
class Relation:
    """From mean mismatch, in grey levels, to the points of mIoU that are predicted to be lost.

    disagreement: per cent of the pixels whose label differs from per-frame, for each grey level; ``taplab calibrate``
    measures it. free: per cent of disagreement that costs nothing. slope: points of mIoU for each per cent beyond that.
    free and slope are such that nine of ten drives lose less, where half of what a drive gains at its best interval is
    taken off: other networks gain less (``benchmarks/quality.py --fit``).
    """

    disagreement: float
    free: float
    slope: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.disagreement) and self.disagreement > 0):
            raise SettingError(f"disagreement {self.disagreement:g}: must be a number above 0")

    def loss(self, mismatch: float) -> float:
        """Points of mIoU below per-frame, at least 0."""
        return self.slope * max(self.disagreement * mismatch - self.free, 0.0)

    def mismatch(self, loss: float) -> float:
        """The mean mismatch at which so many points are lost."""
        return (loss / self.slope + self.free) / self.disagreement


@dataclass(frozen=True)
class Relations:
    """Of both modes that can predict."""

    offline: Relation = Relation(disagreement=2.37, free=3.0, slope=2.4)
    live: Relation = Relation(disagreement=2.06, free=3.7, slope=3.45)


@dataclass(frozen=True)
class Dial:
    """What is asked for: at most one of these.

    budget: network cost, at most, 0.01 to 1. quality: points of mIoU that may be lost, at most, 0 to 100.
    target_fps: frames a second, at least (mode live). Raises SettingError for two of them or values outside.
    """

    budget: float | None = None
    quality: float | None = None
    target_fps: float | None = None
    relations: Relations = field(default_factory=Relations)

    def __post_init__(self) -> None:
        for name, value in self.asked.items():
            if not is_number(value):
                raise SettingError(f"{name} {value!r}: must be a number")
        if len(self.asked) > 1:
            names = " and ".join(self.asked)
            raise SettingError(f"{names}: give only one of budget, quality and target_fps")
        if self.budget is not None and not LEAST_BUDGET <= self.budget <= 1:
            raise SettingError(f"budget {self.budget:g}: must lie in {LEAST_BUDGET:g}..1; it is a network cost")
        if self.quality is not None and not 0 <= self.quality <= 100:
            raise SettingError(f"quality {self.quality:g}: must lie in 0..100 points of mIoU")
        if self.target_fps is not None and not (math.isfinite(self.target_fps) and self.target_fps > 0):
            raise SettingError(f"target_fps {self.target_fps:g}: must be a number above 0")

    @property
    def asked(self) -> dict[str, float]:
        """By name; empty if nothing is asked for."""
        values = asdict(self)
        return {name: values[name] for name in ("budget", "quality", "target_fps") if values[name] is not None}

    @property
    def interval(self) -> int:
        """At most so many frames between key frames, where none is given."""
        if not self.asked:
            return PaperSettings().interval
        return INTERVAL if self.budget is None else max(INTERVAL, math.ceil(2 / self.budget))

    def mode(self, mode: str) -> str:
        """The mode that can do it, for "auto". Raises SettingError if ``mode`` cannot."""
        if not self.asked:
            return mode
        name = next(iter(self.asked))
        if mode not in ("auto", "offline", "live"):
            raise SettingError(f"{name}: mode {mode} has nothing to choose; use mode offline or live, or leave it out")
        if self.target_fps is None:
            return mode
        if mode == "offline":
            raise SettingError(
                "target_fps: mode offline looks ahead and answers in bursts, it has no speed to keep; use mode live"
            )
        return "live"

    def has_regions(self, mode: str) -> bool:
        """Is it spent on regions, too, if rgc is among the modules?"""
        return self.quality is None and self.mode(mode) == "live"

    def check_regions(self, mode: str) -> None:
        """Raises SettingError if it has none: rgc is asked for beside it."""
        if self.quality is not None:
            raise SettingError("quality: what regions are worth is not predicted; leave rgc out, or ask for a budget")
        if self.asked and not self.has_regions(mode):
            name = next(iter(self.asked))
            raise SettingError(f"{name}: is spent on regions (rgc) in mode live only; use that, or leave rgc out")

    def beside(self, follow_cost: float) -> "Dial":
        """What is left for key frames of a network that glances at every other frame, at ``follow_cost`` of a pass.

        Raises SettingError if the glances alone cost the budget.
        """
        if self.budget is None or not follow_cost:
            return self
        left = (self.budget - follow_cost) / (1 - follow_cost)
        if left < LEAST_BUDGET:
            least = follow_cost + LEAST_BUDGET * (1 - follow_cost)
            raise SettingError(
                f"budget {self.budget:g}: the network glances at every frame, which costs {follow_cost:.3f} by itself; "
                f"give {math.ceil(1000 * least - 1e-6) / 1000:g} or more"
            )
        return replace(self, budget=left)

    def check_interval(self, interval: int) -> None:
        """Raises SettingError if key frames that far apart alone cost more than the budget."""
        if self.budget is not None and interval * self.budget < 1 - 1e-9:
            least = math.ceil(1 / self.budget)
            raise SettingError(
                f"budget {self.budget:g}: a key frame every {interval} frames costs more; "
                f"give an interval of {least} or more, or none"
            )
