"""Scoring ways of working against truth, all on the same decoded frames."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from taplab.errors import SourceError
from taplab.evaluation.metrics import Confusion, temporal_consistency
from taplab.models.base import Model
from taplab.policies import PaperSettings
from taplab.segmenter import Segmenter
from taplab.types import Labels


@dataclass(frozen=True)
class Way:
    """One way of working to be scored: a mode and, for "paper", its settings."""

    mode: str
    settings: PaperSettings

    @property
    def title(self) -> str:
        """For tables: "per-frame", "paper ffw+rgc, interval 12"."""
        if self.mode == "per-frame":
            return self.mode
        if self.mode == "paper":
            return f"paper {'+'.join(self.settings.modules)}, interval {self.settings.interval}"
        return f"{self.mode}, interval {self.settings.interval}"


@dataclass(frozen=True)
class Score:
    """Accuracy and cost of one way; the field names are the keys of ``eval --json``.

    miou_by_distance: by frames since the last key frame. temporal_consistency: see ``metrics``. fps: file to labels.
    """

    mode: str
    modules: list[str]
    gop: int | None
    interval: int
    frames: int
    miou: float
    iou: dict[str, float | None]
    pixel_accuracy: float
    network_cost: float
    key_frames: int
    fps: float
    seconds: dict[str, float]
    miou_by_distance: dict[int, float]
    temporal_consistency: float

    def as_json(self) -> dict[str, object]:
        """Plain values."""
        return asdict(self)


def score(
    clip: Path | str,
    truth: Callable[[int], Labels],
    frames: int,
    model: Model,
    way: Way,
    *,
    gop: int | None = None,
    lanes: int | None = None,
) -> Score:
    """Segments ``clip`` and compares frame i with ``truth(i)``; labels stay on disk or are rendered when needed.

    Raises SourceError if the clip has another number of frames than there is truth.
    """
    confusion = Confusion(model.classes)
    by_distance: dict[int, Confusion] = defaultdict(lambda: Confusion(model.classes))
    consistency: list[float] = []
    segmentation = Segmenter(model, mode=way.mode, settings=way.settings, lanes=lanes).stream(clip)
    predicted: list[Labels] = []
    keys: list[bool] = []
    for result in segmentation:  # nothing else is done here: this loop is what is timed
        predicted.append(result.labels)
        keys.append(result.key)
    if len(predicted) != frames:
        raise SourceError(f"{clip}: {len(predicted)} frames decoded, but there is truth for {frames}")
    summary = segmentation.summary()
    distance, before = 0, None
    for index, labels in enumerate(predicted):
        true = truth(index)
        distance = 0 if keys[index] else distance + 1
        confusion.add(true, labels)
        by_distance[distance].add(true, labels)
        if before is not None:
            consistency.append(temporal_consistency(before, (true, labels)))
        before = true, labels
    return Score(
        mode=way.mode,
        modules=list(summary.modules),
        gop=gop,
        interval=summary.interval,
        frames=summary.frames,
        miou=round(confusion.miou, 4),
        iou={c: None if np.isnan(v) else round(float(v), 4) for c, v in zip(model.classes, confusion.iou, strict=True)},
        pixel_accuracy=round(confusion.pixel_accuracy, 4),
        network_cost=summary.network_cost,
        key_frames=summary.key_frames,
        fps=summary.fps,
        seconds=summary.seconds,
        miou_by_distance={d: round(c.miou, 4) for d, c in sorted(by_distance.items())},
        temporal_consistency=round(float(np.mean(consistency)), 4) if consistency else 1.0,
    )


def mean_of_phases(scores: Sequence[Score]) -> dict[str, object]:
    """The mean over several positions of the key frames, with the range of mIoU."""
    first = scores[0].as_json()
    for key in ("miou", "pixel_accuracy", "network_cost", "fps", "temporal_consistency"):
        first[key] = round(float(np.mean([getattr(s, key) for s in scores])), 4)
    for key in ("iou", "miou_by_distance"):
        values: dict[object, list[float]] = defaultdict(list)
        for s in scores:
            for name, value in getattr(s, key).items():
                if value is not None:
                    values[name].append(value)
        first[key] = {name: round(float(np.mean(v)), 4) for name, v in values.items()}
    first["frames"] = sum(s.frames for s in scores)
    first["phases"] = len(scores)
    first["miou_range"] = [min(s.miou for s in scores), max(s.miou for s in scores)]
    return first
