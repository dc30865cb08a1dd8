"""Measures what mismatch costs a network on clips without labels: how often do labels differ from per-frame?

The relation from mismatch to loss was fitted with one network on synthetic drives (``policies.dial``). Another network,
other pictures: the share of pixels that differ for each grey level of mismatch is then another, and needs no truth.
"""

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from taplab.calibrate import FolderEncoding, encode_folder
from taplab.errors import SourceError
from taplab.models.base import Model
from taplab.policies import PaperSettings
from taplab.segmenter import Segmenter
from taplab.video import ImageFolder, Reading

MODES = ("offline", "live")
_ANY = 100.0  # points of mIoU: all may be lost, so that key frames come at the interval alone
_LEAST = 0.05  # grey levels: where there is hardly a mismatch there is nothing to divide by


@dataclass(frozen=True)
class Agreement:
    """Of one mode on one clip. differing: per cent of the pixels that differ from per-frame, summed over the frames.

    mismatch: grey levels, predicted, summed over the frames. frames: their number.
    """

    mode: str
    differing: float
    mismatch: float
    frames: int


def measure_agreement(
    source: str | Path,
    model: Model,
    *,
    encoding: FolderEncoding | None = None,
    interval: int = 12,
    max_frames: int | None = None,
    on_frame: Callable[[str], None] = lambda stage: None,
) -> list[Agreement]:
    """Segments a clip, or a folder of images, per-frame and in both modes at the same time, and compares the labels.

    As where something is asked for (``policies.dial``): I-frames and the frames of intra-only codecs are carried to as
    well. A few lanes of frames are in memory. on_frame: called for every frame with "encode" or "agreement". Raises
    SourceError, SettingError, ModelError.
    """
    if not Path(source).is_dir():
        return _measure(source, model, interval, max_frames, on_frame)
    with tempfile.TemporaryDirectory() as scratch:
        images = ImageFolder(Path(source), Reading(max_frames=max_frames))
        clip = encode_folder(images, Path(scratch) / "clip.mkv", encoding or FolderEncoding(), on_frame)
        return _measure(clip, model, interval, None, on_frame)


def _measure(
    clip: str | Path, model: Model, interval: int, max_frames: int | None, on_frame: Callable[[str], None]
) -> list[Agreement]:
    settings = PaperSettings(("ffw",), interval=interval)
    every, *others = [
        Segmenter(model, mode=mode, settings=settings, lanes=1, quality=quality).stream(clip, max_frames=max_frames)
        for mode, quality in (("per-frame", None), *((mode, _ANY) for mode in MODES))
    ]
    frames, differing = 0, dict.fromkeys(MODES, 0.0)
    for truth, *results in zip(every, *others, strict=True):
        frames += 1
        for mode, result in zip(MODES, results, strict=True):
            differing[mode] += 100 * float(np.mean(result.labels != truth.labels))
        on_frame("agreement")
    forecasts = [run.policy.forecast for run in others]
    return [
        Agreement(mode, differing[mode], frames * forecast.mean, frames)
        for mode, forecast in zip(MODES, forecasts, strict=True)
        if forecast is not None
    ]


def disagreement(measured: Iterable[Agreement], mode: str) -> float:
    """Per cent of pixels for each grey level, of a mode on all clips together; two decimal places.

    Raises SourceError if next to nothing moves in the clips.
    """
    of_mode = [agreement for agreement in measured if agreement.mode == mode]
    frames, mismatch = sum(a.frames for a in of_mode), sum(a.mismatch for a in of_mode)
    if mismatch < _LEAST * frames or not frames:
        raise SourceError("the clips hardly move, so there is nothing to compare; give clips of a moving camera")
    return max(round(sum(a.differing for a in of_mode) / mismatch, 2), 0.01)
