"""From ways, a model and labelled clips to scores: accuracy, cost and speed, all on the same decoded frames."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from taplab.data.clips import ClipSet
from taplab.errors import SettingError, SourceError
from taplab.evaluation.cache import Cache
from taplab.evaluation.metrics import BoundaryOverlap, Confusion
from taplab.evaluation.plain import plain
from taplab.evaluation.protocol import run_trial
from taplab.evaluation.record import Record
from taplab.evaluation.remember import Remembering
from taplab.evaluation.timing import MOST_FRAMES, Timing, time_ways
from taplab.evaluation.trials import Draw, Encoding, Trial, by_phase, stretch, trials
from taplab.evaluation.ways import Way
from taplab.models.base import Model
from taplab.policies import Relation

Progress = Callable[[int, int, str], None]  # done, of how many, what


@dataclass(frozen=True)
class Score:
    """Accuracy and cost of one way; the field names are the keys of ``eval --json``.

    miou: over one confusion matrix, mean over the phases; miou_range: least and most of them. iou: by class, None where
    a class occurs neither in truth nor prediction. miou_by_distance: by frames since the last key frame. boundary_iou,
    temporal_consistency: see ``metrics``. network_cost: share of the pixels that the network saw. asked: as in
    ``summary.json``. predicted_loss: points of mIoU below per-frame, of all frames of the clips, None where the mode
    predicts nothing. fps: file to labels; network_fps: network and warp alone; seconds: a frame, by stage; NaN or empty
    where speed was not measured.
    """

    title: str
    mode: str
    modules: list[str]
    model: str
    data: str
    codec: str
    gop: int
    quality: float | None
    interval: int
    phases: int
    frames: int
    miou: float
    miou_range: tuple[float, float]
    iou: dict[str, float | None]
    pixel_accuracy: float
    boundary_iou: float
    temporal_consistency: float
    miou_by_distance: dict[int, float]
    network_cost: float
    key_frames: int
    asked: dict[str, float] = field(default_factory=dict)
    predicted_loss: float | None = None
    fps: float = float("nan")
    network_fps: float = float("nan")
    seconds: dict[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Plain values; None for NaN."""
        values: dict[str, Any] = plain(asdict(self))
        return values


def evaluate(
    clips: ClipSet,
    model: Model,
    ways: Sequence[Way],
    encoding: Encoding,
    draw: Draw,
    cache: Cache,
    *,
    rounds: int = 3,
    lanes: int | None = None,
    progress: Progress | None = None,
) -> list[Score]:
    """One score for each way. ``rounds`` of timing on the first trial; 0 leaves speed out.

    Raises SettingError if the model's classes are not those of the clips, SourceError if no frame has labels.
    """
    if len(model.classes) != len(clips.classes):
        raise SettingError(
            f"{model.name} knows {len(model.classes)} classes, the labels of {clips.name} have {len(clips.classes)}; "
            "give a model and labels of the same classes"
        )
    made = trials(clips, encoding.gop, draw)
    if not made:
        raise SourceError(f"{clips.name}: no frame with labels")
    records: list[list[Record]] = [[] for _ in ways]
    for done, trial in enumerate(made):
        if progress is not None:
            progress(done, len(made), trial.name)
        for kept, record in zip(records, _run_ways(trial, model, ways, encoding, cache, lanes), strict=True):
            kept.append(record)
    if progress is not None:
        progress(len(made), len(made), "timing" if rounds else "")
    timings: Sequence[Timing | None] = [None] * len(ways)
    if rounds:
        first = stretch(made[0], encoding.gop, MOST_FRAMES)
        model.warm_up(first.clip.size)
        timings = time_ways(cache.clip(first, encoding), model, ways, frames=len(first.counted), rounds=rounds)
    return [
        summarise(way, kept, made, clips, model, encoding, timing)
        for way, kept, timing in zip(ways, records, timings, strict=True)
    ]


def _run_ways(
    trial: Trial, model: Model, ways: Sequence[Way], encoding: Encoding, cache: Cache, lanes: int | None
) -> list[Record]:
    """The records of one trial, from the cache where they are there; the network sees no picture twice."""
    remembering = Remembering(model)
    records = []
    for way in ways:
        record = cache.known(trial, encoding, model, way)
        if record is None:
            record = run_trial(trial, cache.clip(trial, encoding), remembering, way, lanes=lanes)
            record.save(cache.record(trial, encoding, model, way))
        records.append(record)
    return records


def summarise(
    way: Way,
    records: Sequence[Record],
    made: Sequence[Trial],
    clips: ClipSet,
    model: Model,
    encoding: Encoding,
    timing: Timing | None,
) -> Score:
    """Adds up the records of one way, one for each trial."""
    phases = [[records[k] for k in positions] for positions in by_phase(made)]
    confusions = [Confusion(clips.classes, sum(r.confusion for r in phase)) for phase in phases]  # type: ignore[arg-type]
    mious = [confusion.miou for confusion in confusions]
    whole = Confusion(clips.classes, sum(c.counts for c in confusions))  # type: ignore[arg-type]
    boundary = BoundaryOverlap(clips.classes, sum(r.boundary for r in records))  # type: ignore[arg-type]
    distances = sorted({distance for record in records for distance in record.by_distance})
    consistency = [share for record in records for share in record.consistency]
    score = Score(
        title=way.title,
        mode=way.mode,
        modules=list(way.settings.modules) if way.mode != "per-frame" else [],
        model=model.name,
        data=clips.name,
        codec=encoding.codec,
        gop=encoding.gop,
        quality=encoding.quality,
        interval=way.settings.interval if way.mode != "per-frame" else 1,
        phases=len(phases),
        frames=sum(record.frames for record in records),
        miou=_round(np.mean(mious)),
        miou_range=(_round(min(mious)), _round(max(mious))),
        iou={c: None if np.isnan(v) else _round(v) for c, v in zip(clips.classes, whole.iou, strict=True)},
        pixel_accuracy=_round(whole.pixel_accuracy),
        boundary_iou=_round(boundary.mean),
        temporal_consistency=_round(np.mean(consistency)) if consistency else float("nan"),
        miou_by_distance={d: _miou_at(d, records, clips) for d in distances},
        network_cost=_cost(records),
        key_frames=sum(record.key_frames for record in records),
        asked=way.dial.asked,
        predicted_loss=_predicted_loss(way, records),
    )
    if timing is None:
        return score
    seconds = {stage: round(value, 6) for stage, value in timing.seconds.items()}
    return replace(score, fps=round(timing.fps, 2), network_fps=round(timing.network_fps, 2), seconds=seconds)


def _cost(records: Sequence[Record]) -> float:
    """Over whole groups of pictures, where there are any: a clip that ends early would make key frames dearer."""
    counted = [record for record in records if record.whole] or records
    return _round(sum(r.network_pixels for r in counted) / sum(r.pixels for r in counted))


def _predicted_loss(way: Way, records: Sequence[Record]) -> float | None:
    frames = sum(record.forecast_frames for record in records)
    if not frames:
        return None
    relation: Relation = getattr(way.dial.relations, way.mode)  # only these modes predict
    return round(relation.loss(sum(record.mismatch for record in records) / frames), 2)


def _miou_at(distance: int, records: Sequence[Record], clips: ClipSet) -> float:
    counts = [record.by_distance[distance] for record in records if distance in record.by_distance]
    return _round(Confusion(clips.classes, sum(counts)).miou)  # type: ignore[arg-type]


def _round(value: float | np.floating[Any]) -> float:
    return round(float(value), 4)
