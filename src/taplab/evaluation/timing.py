"""How fast the ways are: in turn, in one run, so that a noisy machine does not decide."""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from taplab.evaluation.protocol import segmentation_of
from taplab.evaluation.ways import Way
from taplab.models.base import Model
from taplab.timing import STAGES

MOST_FRAMES = 60  # of a clip

T = TypeVar("T")


@dataclass(frozen=True)
class Timing:
    """Seconds a frame, medians over rounds: by stage (summed over threads) and "total" by the clock, file to labels."""

    seconds: dict[str, float]

    @property
    def fps(self) -> float:
        """End to end: decoding, motion, residual, network, warp, labels."""
        return 1 / self.seconds["total"]

    @property
    def network_fps(self) -> float:
        """As the paper counts: network and warp alone (Eq. 2)."""
        return 1 / (self.seconds["network"] + self.seconds["warp"])


def time_ways(clip: Path, model: Model, ways: Sequence[Way], *, frames: int, rounds: int = 3) -> list[Timing]:
    """Runs every way on the first ``frames`` of ``clip`` (MOST_FRAMES at most), ``rounds`` times, in turn.

    One lane and no batches of several frames, as for one stream.
    """
    frames = min(frames, MOST_FRAMES)
    for way in ways:
        _one_run(clip, model, way, min(frames, warm_up_frames(way)))
    taken = in_turn([partial(_one_run, clip, model, way, frames) for way in ways], rounds)
    return [Timing(medians(runs)) for runs in zip(*taken, strict=True)]


def warm_up_frames(way: Way) -> int:
    """So many frames have everything compiled that a way compiles at first use: two key frames are among them."""
    return way.settings.interval + 2


def in_turn(ways: Sequence[Callable[[], T]], rounds: int) -> Iterator[list[T]]:
    """What ``ways`` returned, round by round: A B A B, so that no way has a quiet hour for itself."""
    for _ in range(rounds):
        yield [way() for way in ways]


def medians(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Of each key over the rounds."""
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def _one_run(clip: Path, model: Model, way: Way, frames: int) -> dict[str, float]:
    segmentation = segmentation_of(clip, model, way, 1, frames)
    for _ in segmentation:
        pass
    summary = segmentation.summary()
    return {stage: summary.seconds[stage] / summary.frames for stage in (*STAGES, "total")}
