"""The account of one pass over one source: what was counted on the way, and the summary."""

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from taplab.output.summary import Summary
from taplab.timing import STAGES
from taplab.types import Result
from taplab.video import LiveVideo
from taplab.words import counted, without_passwords

if TYPE_CHECKING:
    from taplab.segmentation import Segmentation


@dataclass
class Counts:
    """Running totals over the results so far.

    pixels, seen: of all frames, and given to the network. motion: frames by the origin of theirs. seconds: up to the
    last result. started, ended: by ``time.perf_counter``.
    """

    frames: int = 0
    key_frames: int = 0
    damaged: int = 0
    pixels: int = 0
    seen: float = 0.0
    motion: Counter[str] = field(default_factory=Counter)
    started: float = field(default_factory=time.perf_counter)
    ended: float | None = None
    seconds: float = 0.0

    def begin(self) -> None:
        """Time counts from now on."""
        self.started = time.perf_counter()

    def end(self) -> None:
        """It counts no longer."""
        self.ended = time.perf_counter()

    def add(self, result: Result) -> None:
        """Adds one result."""
        frame = result.frame
        self.frames += 1
        self.key_frames += result.key
        self.damaged += result.damaged
        self.pixels += frame.height * frame.width
        self.seen += frame.height * frame.width * frame.seen
        self.motion["none" if frame.motion is None else frame.motion.origin] += 1
        self.seconds = time.perf_counter() - self.started

    @property
    def total(self) -> float:
        """Seconds up to the end or up to now, 0 before the first result."""
        now = time.perf_counter() if self.ended is None else self.ended
        return max(self.seconds, now - self.started if self.frames else 0.0)


def summary_of(run: "Segmentation", *, interrupted: bool, failed: str | None) -> Summary:
    """The account so far."""
    counts, source, policy, forecast = run.counts, run.source, run.policy, run.policy.forecast
    total = counts.total
    cost = round(counts.seen / counts.pixels, 4) if counts.pixels else 0.0
    dropped = 0 if run.newest is None else run.newest.dropped
    predicted = None if forecast is None else forecast.loss
    return Summary(
        source=without_passwords(source.source),
        codec=source.codec,
        width=source.width,
        height=source.height,
        source_fps=float(source.rate) if source.rate else None,
        frames=counts.frames,
        key_frames=counts.key_frames,
        crops=run.network.crops,
        network_cost=cost,
        mode=policy.name,
        modules=list(policy.modules),
        interval=policy.interval,
        model=run.model.name,
        classes=list(run.model.classes),
        device=run.model.device,
        asked=dict(run.asked),
        predicted_loss=None if predicted is None else round(predicted, 2),
        motion=dict(counts.motion),
        damaged=counts.damaged + source.lost,
        dropped=dropped,
        reconnects=source.reconnects,
        seconds={**{k: round(run.stopwatch.seconds[k], 4) for k in STAGES}, "total": round(total, 4)},
        fps=round(counts.frames / total, 2) if total else 0.0,
        saved=list(run.saved),
        broke_off=source.broke_off,
        interrupted=interrupted,
        failed=failed,
        notes=[
            *run.notes,
            *policy.notes,
            *source.notes,
            *_overspent(run, cost),
            *_missed(run, total),
            *_lost_on_the_way(run, dropped),
        ],
    )


def _overspent(run: "Segmentation", cost: float) -> list[str]:
    """The budget that was asked for and not kept."""
    asked = run.asked.get("budget")
    if asked is None or cost <= asked + 1e-4:  # which it is rounded to
        return []
    why = "the first frame, and those that no motion leads to, had to be seen"
    return [f"asked for a network cost of {asked:g}, reached {cost:g}: {why}"]


def _missed(run: "Segmentation", total: float) -> list[str]:
    """The speed that was asked for and not reached in ``total`` seconds; that a live source is slow does not count."""
    asked, frames, live = run.asked.get("target_fps"), run.counts.frames, isinstance(run.source, LiveVideo)
    busy = total - run.stopwatch.seconds.get("wait", 0.0) if live else total
    if asked is None or frames < 2 or frames >= 0.95 * asked * busy:
        return []
    apart = " (waiting for the source apart)" if live else ""
    return [f"asked for {asked:g} frames a second, reached {frames / busy:.1f}{apart}"]


def _lost_on_the_way(run: "Segmentation", dropped: int) -> list[str]:
    """What became of a live source."""
    notes = []
    if dropped:
        came = counted(dropped + run.counts.frames, "frame")
        notes.append(f"{dropped} of {came} were dropped, as more came than could be worked on; --keep-all keeps them")
    if run.source.reconnects:
        notes.append(f"the connection was lost and taken up again {counted(run.source.reconnects, 'time')}")
    return notes
