"""The frame that pictures are shown of, and its labels by every way of working."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from taplab.data.clips import LabelledClip
from taplab.errors import SettingError, SourceError
from taplab.evaluation.bench import Bench, Subject
from taplab.evaluation.protocol import segmentation_of
from taplab.evaluation.remember import Remembering
from taplab.evaluation.trials import window
from taplab.evaluation.ways import Way
from taplab.models.base import Model
from taplab.types import Labels, Palette, Result, Rgb


@dataclass(eq=False)
class Scene:
    """One group of pictures of a clip. position: of the shown frame after the group's key frame."""

    clip: LabelledClip
    first: int
    position: int
    source: Path
    subject: Subject
    model: Model = field(repr=False)  # remembers what it saw

    @property
    def title(self) -> str:
        """Such as "drive-11, frame 11, 11 after the key frame"."""
        return f"{self.clip.name}, frame {self.first + self.position}, {self.position} after the key frame"

    @property
    def palette(self) -> Palette:
        """Of the network's classes."""
        return self.subject.clips.palette

    def results(self, way: Way, frames: int) -> Iterator[Result]:
        """Of the first frames of the group."""
        return islice(segmentation_of(self.source, self.model, way, 1), frames)

    def result(self, way: Way) -> Result:
        """Of the shown frame."""
        *_, last = self.results(way, self.position + 1)
        return last

    @property
    def picture(self) -> Rgb:
        """The shown frame, before it was encoded."""
        return self.clip.frame(self.first + self.position)

    def truth(self) -> Labels | None:
        """Of the shown frame; None where nobody labelled it."""
        index = self.first + self.position
        return self.clip.truth(index) if index in self.clip.labelled else None


def scenes(
    bench: Bench, network: str, gop: int, frame: int | None, *, most: int = 1, distance: int | None = None
) -> list[Scene]:
    """A scene of each of the first ``most`` clips: a labelled frame as far from its key frame as the GOP allows.

    frame: to be shown instead. distance: from the key frame, instead. Raises SettingError if a clip has no labels at
    ``frame`` or if that is a key frame, SourceError without any labels.
    """
    subject, distance = bench.subjects[network], gop - 1 if distance is None else distance
    chosen = [(clip, _shown(clip, distance, frame)) for clip in subject.clips.clips[:most]]
    return [_scene(bench, subject, gop, clip, index, distance) for clip, index in chosen]


def _scene(bench: Bench, subject: Subject, gop: int, clip: LabelledClip, index: int, distance: int) -> Scene:
    """The group of pictures that has the frame in its place, and the next key frame if the clip goes on so far."""
    position = min(distance, index)
    if position == 0:
        raise SettingError(f"{clip.name}, frame {index}: a key frame shows no warping; choose another with --frame")
    trial = window(clip, index, gop, position, 0)
    source = bench.cache.clip(trial, bench.encoded(gop))
    return Scene(clip, trial.first, position, source, subject, Remembering(subject.model))


def _shown(clip: LabelledClip, distance: int, frame: int | None) -> int:
    if frame is not None:
        if frame not in clip.labelled:
            raise SettingError(f"--frame {frame}: {clip.name} has no labels there; {_where(clip)}")
        return frame
    if not clip.labelled:
        raise SourceError(f"{clip.name}: no frame with labels")
    return next((index for index in clip.labelled if index >= distance), clip.labelled[-1])


def _where(clip: LabelledClip) -> str:
    few = ", ".join(map(str, clip.labelled[:5]))
    more = f", … {clip.labelled[-1]}" if len(clip.labelled) > 5 else ""
    return f"it has labels at {few}{more}"
