"""Running a trial: one way of working on one encoded clip, compared with truth."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from taplab.errors import SourceError
from taplab.evaluation.consistency import consistency_along_motion
from taplab.evaluation.metrics import BoundaryOverlap, Confusion, temporal_consistency
from taplab.evaluation.record import Record
from taplab.evaluation.trials import Trial
from taplab.evaluation.ways import Way
from taplab.models.base import Model
from taplab.policies import PerFrame, Steps, used
from taplab.policies.forecast import Forecast
from taplab.segmentation import Segmentation
from taplab.segmenter import Segmenter
from taplab.types import CodedFrame, Labels, Result


def run_trial(trial: Trial, source: Path, model: Model, way: Way, *, lanes: int | None = None) -> Record:
    """Segments ``source``, the encoded trial, and counts.

    Raises SourceError if fewer frames than the trial has can be decoded.
    """
    record = _Counts(trial, model)
    segmentation = _segmentation(trial, source, model, way, lanes)
    for result in segmentation:
        record.add(result)
    if record.missing:
        raise SourceError(f"{source}: frame {min(record.missing)} of {trial.name} did not decode; remove that file")
    finished = record.finished(segmentation.policy.forecast)
    # All would be key frames, also those that nobody compares.
    return replace(finished, key_frames=len(trial.counted)) if way.mode == "per-frame" else finished


def segmentation_of(
    source: Path, model: Model, way: Way, lanes: int | None = None, max_frames: int | None = None
) -> Segmentation:
    """One pass of a way over a clip."""
    return segmenter_of(model, way, lanes).stream(source, max_frames=max_frames)


def segmenter_of(model: Model, way: Way, lanes: int | None = None) -> Segmenter:
    """What works in a way, on any number of clips."""
    dial = way.dial
    return Segmenter(
        model,
        mode=way.mode,
        settings=used(way.settings, way.mode, asked=bool(dial.asked)),
        lanes=lanes,
        budget=dial.budget,
        quality=dial.quality,
        target_fps=dial.target_fps,
        relations=dial.relations,
        processes=way.processes,
    )


def _segmentation(trial: Trial, source: Path, model: Model, way: Way, lanes: int | None) -> Segmentation:
    segmentation = segmentation_of(source, model, way, lanes)
    if way.mode == "per-frame" and not trial.throughout:  # what nobody compares need not be computed
        segmentation.policy = _PerFrameOf({k for scored in trial.scored for k in (scored - 1, scored)})
    return segmentation


class _PerFrameOf(PerFrame):
    """Per-frame on some frames; the others get no answer."""

    def __init__(self, wanted: set[int]) -> None:
        self.wanted = wanted

    def run(self, frames: Iterable[CodedFrame]) -> Steps:
        """See ``PerFrame``."""
        yield from super().run(frame for frame in frames if frame.display in self.wanted)


class _Counts:
    """Compares results with truth one after another, as they come."""

    def __init__(self, trial: Trial, model: Model) -> None:
        self.trial, self.missing = trial, set(trial.scored)
        self.confusion, self.boundary = Confusion(model.classes), BoundaryOverlap(model.classes)
        self.by_distance: dict[int, Confusion] = defaultdict(lambda: Confusion(model.classes))
        self.consistency: list[float] = []
        self.key_frames = self.pixels = self.network_pixels = 0
        self.distance = -1  # from the last key frame
        self.before: tuple[Result, Labels | None] | None = None

    def add(self, result: Result) -> None:
        self.distance = 0 if result.key else self.distance + 1
        if result.index in self.trial.counted:
            self._add_cost(result)
        truth = self._truth(result) if result.index in self.missing else None
        if truth is not None:
            self.missing.remove(result.index)
            self.confusion.add(truth, result.labels)
            self.by_distance[self.distance].add(truth, result.labels)
            self.boundary.add(truth, result.labels)
            self._add_consistency(result, truth)
        self.before = result, truth

    def _truth(self, result: Result) -> Labels:
        truth = self.trial.clip.truth(self.trial.first + result.index)
        if truth.shape != result.labels.shape:
            sizes = [f"{s[1]}x{s[0]}" for s in (truth.shape, result.labels.shape)]
            raise SourceError(f"{self.trial.name}: labels are {sizes[0]}, frames {sizes[1]}; give labels of their size")
        return truth

    def _add_cost(self, result: Result) -> None:
        size = result.frame.height * result.frame.width
        self.key_frames += result.key
        self.pixels += size
        self.network_pixels += round(size * result.frame.seen)

    def _add_consistency(self, result: Result, truth: Labels) -> None:
        if self.before is None or self.before[0].index != result.index - 1:
            return
        earlier, earlier_truth = self.before
        if earlier_truth is not None:
            share = temporal_consistency((earlier_truth, earlier.labels), (truth, result.labels))
        else:
            share = consistency_along_motion(earlier, result)
        self.consistency.append(share)

    def finished(self, forecast: Forecast | None) -> Record:
        return Record(
            confusion=self.confusion.counts,
            by_distance={distance: confusion.counts for distance, confusion in sorted(self.by_distance.items())},
            boundary=self.boundary.counts,
            consistency=self.consistency,
            frames=len(self.trial.scored),
            key_frames=self.key_frames,
            pixels=self.pixels,
            network_pixels=self.network_pixels,
            whole=self.trial.whole,
            mismatch=0.0 if forecast is None else forecast.total,
            forecast_frames=0 if forecast is None else forecast.frames,
        )
