"""One pass over one file by several processes, shaped like ``Segmentation``."""

import math
from collections.abc import Generator, Iterator
from contextlib import closing, nullcontext
from dataclasses import replace
from typing import Any

from taplab.crew.packed import Packed
from taplab.crew.processes import Crew
from taplab.crew.worker import Job, Told
from taplab.errors import SourceError
from taplab.output.summary import Summary
from taplab.prefetch import prefetch
from taplab.segmentation import Segmentation, in_display_order
from taplab.timing import STAGES
from taplab.types import CodedFrame, Result
from taplab.video.reader import Video
from taplab.video.share import Share
from taplab.words import counted

_INTERVALS = 32  # in a group: the network sees one key frame more for it
_LEAST, _USUAL = 12, 192  # frames of a group


class CrewSegmentation(Segmentation):
    """``crew`` does ``job``, in shares. pictures: frames have theirs, for which this process decodes the file, too."""

    source: Video

    def __init__(self, *args: Any, crew: Crew, job: Job, processes: int, pictures: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        self._crew, self._job, self._with_pictures = crew, job, pictures
        frames = self.source.expected_frames
        self._length = group_length(frames, self.policy.interval, processes)
        of = processes if frames is None else min(processes, math.ceil(frames / self._length))
        self._shares = [Share(number, of, self._length, self.policy.looks_ahead) for number in range(of)]
        self._told: list[Told] = []  # first by who had the last turn

    def results(self) -> Generator[Result]:
        """See ``Segmentation``."""
        yield from self._shared() if len(self._shares) > 1 else super().results()
        if self.shared_by == 1:
            self.notes.append(f"one process did it all: {self._why_alone}")

    def _shared(self) -> Generator[Result]:
        shown = closing(self._shown()) if self._with_pictures else nullcontext()
        with shown as frames, closing(self._heard()) as messages:
            for message in self.stopwatch.each("wait", messages):
                if isinstance(message, Packed):
                    with self.stopwatch("labels"):
                        result = message.unpacked()
                    yield result if frames is None else self._pictured(result, frames)
                else:
                    self._hear(message)

    @property
    def shared_by(self) -> int:
        """How many processes had frames of it, when it is done; this one, where they are too few to share."""
        return sum(told.frames > 0 for told in self._told) if len(self._shares) > 1 else 1

    @property
    def _why_alone(self) -> str:
        if len(self._shares) == 1:
            return f"no more than {counted(self._length, 'frame')} were to be expected, which are not shared"
        if self.source.expected_frames is None and self.counts.frames <= self._length:
            return f"the file does not say how long it is, and up to {self._length} frames are not shared"
        return f"behind the first {self._length} frames it could not be cut: no key frame, damage, or its end"

    def _heard(self) -> Generator[Packed | Told]:
        """From a thread that listens while this one unpacks."""
        messages = self._crew.work(self._job, self._shares, self._is_interrupted)
        return prefetch(messages, self._ahead_of_lane, interrupted=self._is_interrupted)

    def _shown(self) -> Generator[CodedFrame]:
        """Frames with nothing but their pictures, in display order."""
        self.source.reading = replace(self.source.reading, motion=False)
        with closing(prefetch(self.source.frames(), self._ahead_of_lane, interrupted=self._is_interrupted)) as frames:
            yield from in_display_order((f for f in frames if not f.beyond), number=lambda frame: frame.display)

    def _pictured(self, result: Result, frames: Iterator[CodedFrame]) -> Result:
        frame = next(frames, None)
        if frame is None or frame.display != result.index:
            raise SourceError(f"{self.source.source}: processes do not agree on its frames; leave processes out")
        result.frame.picture, result.frame.convert = frame.picture, frame.convert
        return result

    def _hear(self, told: Told) -> None:
        self._told.append(told)
        self.network.crops += told.crops
        self.network.borrowed += told.borrowed
        self.counts.seen += told.borrowed
        for stage in STAGES:
            self.stopwatch.add(stage, told.seconds[stage])

    def summary(self, *, interrupted: bool = False, failed: BaseException | None = None) -> Summary:
        """See ``Segmentation``; of the source it says what the process knows that came to its end."""
        summary = super().summary(interrupted=interrupted, failed=failed)
        if not self._told:
            return summary
        last = self._told[0]
        predicted = [(told.predicted_loss, told.frames) for told in self._told if told.frames]
        return replace(
            summary,
            damaged=self.counts.damaged + last.lost,
            broke_off=last.broke_off,
            predicted_loss=_mean(predicted),
            notes=[*summary.notes, *(note for note in last.notes if note not in summary.notes)],
        )


def group_length(frames: int | None, interval: int, processes: int) -> int:
    """Frames that a process does before it is the next one's turn: so many that all have the same number of turns.

    Results wait in the meantime, as runs of classes. frames: of the file, None where that is not known.
    """
    most = max(_INTERVALS * interval, _USUAL)
    if frames is None:
        return most
    turns = math.ceil(frames / (processes * most))
    return max(math.ceil(frames / (processes * turns)), _LEAST)


def _mean(weighted: list[tuple[float | None, int]]) -> float | None:
    if not weighted or any(value is None for value, _ in weighted):
        return None
    return round(sum((value or 0) * weight for value, weight in weighted) / sum(weight for _, weight in weighted), 2)
