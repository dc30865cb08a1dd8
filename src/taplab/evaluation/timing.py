"""How fast the ways are: in turn, in one run, so that a noisy machine does not decide."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from taplab.evaluation.protocol import segmentation_of
from taplab.evaluation.ways import Way
from taplab.models.base import Model
from taplab.timing import STAGES

MOST_FRAMES = 60  # of a clip


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
    seconds: list[list[dict[str, float]]] = [[] for _ in ways]
    frames = min(frames, MOST_FRAMES)
    for way in ways:  # what is compiled at first use is compiled now
        _one_run(clip, model, way, min(frames, way.settings.interval + 2))
    for _ in range(rounds):
        for way, taken in zip(ways, seconds, strict=True):
            taken.append(_one_run(clip, model, way, frames))
    return [Timing({s: statistics.median(t[s] for t in taken) for s in (*STAGES, "total")}) for taken in seconds]


def _one_run(clip: Path, model: Model, way: Way, frames: int) -> dict[str, float]:
    segmentation = segmentation_of(clip, model, way, 1, frames)
    for _ in segmentation:
        pass
    summary = segmentation.summary()
    return {stage: value / summary.frames for stage, value in summary.seconds.items()}
