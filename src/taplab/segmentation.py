"""One pass over one source: frames in, results in display order out, and the account of it."""

import heapq
from collections.abc import Callable, Container, Generator, Iterable, Iterator
from contextlib import closing
from itertools import islice
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from taplab.account import Counts, summary_of
from taplab.ahead import called_ahead
from taplab.edges import labels_along_edges
from taplab.errors import SettingError
from taplab.labels import labels_from_scores, ones_and_zeros
from taplab.lanes import cut_lanes, run_endless, run_in_lockstep
from taplab.models.base import Model
from taplab.network import Network
from taplab.newest import WAITING, Newest
from taplab.output.summary import Summary
from taplab.policies import Answer, Policy
from taplab.policies.bridge import bridged
from taplab.prefetch import prefetch
from taplab.scoremap.contours import Contours
from taplab.scoremap.gathered import Gathered
from taplab.timing import Stopwatch
from taplab.types import CodedFrame, Labels, Result
from taplab.video import LiveVideo, Source
from taplab.video.live import limited
from taplab.video.refused import no_frame
from taplab.words import one_line

_PATIENCE = 2.0  # seconds to wait for the end of a read that may hang; its thread ends when that does
_GLANCES = 4  # taken at once, where nobody waits for them: at 360x480 that is a third faster than one by one
_THREADS = 4  # that scores and labels are worked out on: more only wait for memory
_QUEUEING = 1  # that only queue this work for a GPU: more take the interpreter from each other

T = TypeVar("T")
R = TypeVar("R")


class Segmentation:
    """Iterate over it once for a ``Result`` a frame, in display order; memory stays at ``lanes`` times the interval.

    Raises SourceError if not one frame can be decoded, ModelError if the network fails.
    """

    def __init__(
        self,
        source: Source,
        model: Model,
        policy: Policy,
        lanes: int,
        stopwatch: Stopwatch,
        notes: list[str],
        asked: dict[str, float] | None = None,
        *,
        keep_all: bool = False,
        scores: bool = False,
    ) -> None:
        self.source, self.model, self.policy, self.asked = source, model, policy, asked or {}
        self.lanes, self.stopwatch, self.notes = lanes, stopwatch, notes
        self.network = Network(model, stopwatch, exact=policy.exact or model.follow_cost is not None)
        self.newest = None if keep_all or not isinstance(source, LiveVideo) else Newest(WAITING, source.reading.thr_rgc)
        self._with_scores = scores
        self.saved: tuple[str, ...] = ()
        self.counts = Counts()
        self._started_once = self._interrupted = False

    def __iter__(self) -> Iterator[Result]:
        if self._started_once:
            raise SettingError("a segmentation can be iterated once: call Segmenter.stream again")
        self._started_once = True
        self.counts.begin()
        try:
            with closing(self.source), closing(self.results()) as results:
                for result in results:
                    self.counts.add(result)
                    yield result
        finally:
            self.counts.end()
        if self.counts.frames == 0:
            raise no_frame(self.source.source, self.source.broke_off)

    def results(self) -> Generator[Result]:
        """In display order, and not counted."""
        with closing(self._read()) as frames:
            waited_for = self.stopwatch.each("wait", frames)  # not the policy's time
            answers = self.stopwatch.each("warp", self._answers(waited_for))
            results = self._ahead(self._result, self._followed(answers))
            yield from in_display_order(results, self.source.skipped, number=lambda result: result.index)

    def _read(self) -> Generator[CodedFrame]:
        """From a thread that decodes beside the network; of a live source the newest, unless all are kept."""
        source, ahead = self.source, 2 * self._ahead_of_lane
        prepare = _touch_residual if self.policy.uses_residual else None
        if not isinstance(source, LiveVideo) or self.newest is None:
            return prefetch(source.frames(), ahead, prepare, patience=_PATIENCE, interrupted=self._is_interrupted)
        newest = prefetch(
            source.endless(), ahead, waiting=self.newest, patience=_PATIENCE, interrupted=self._is_interrupted
        )
        return limited(newest, source.reading.max_frames)

    def interrupt(self) -> None:
        """From a signal handler or another thread: the iteration raises KeyboardInterrupt when it next wants one."""
        self._interrupted = True

    def _is_interrupted(self) -> bool:
        return self._interrupted

    def _answers(self, frames: Iterable[CodedFrame]) -> Iterator[Answer]:
        if not self.policy.uses_motion:  # then nothing is predicted from what is shown after the last frame
            frames = (frame for frame in frames if not frame.beyond)
        if self.policy.bridges:
            frames = bridged(frames)
        if self._is_one_lane:
            yield from run_endless(frames, self.policy, self.network)
            return
        lanes = cut_lanes(frames, self.policy.interval, borrow=self.policy.looks_ahead)
        while wave := list(islice(lanes, self.lanes)):
            self.network.see(key for lane in wave for key in lane.keys)
            yield from run_in_lockstep(wave, self.policy, self.network)

    @property
    def _on_cpu(self) -> bool:
        return self.model.device == "cpu"

    @property
    def _ahead_of_lane(self) -> int:
        """Frames of a lane that may wait decoded, or for their labels, while the network runs."""
        return min(self.policy.interval, 12)

    @property
    def _is_one_lane(self) -> bool:
        """Every frame is answered before the next one is looked at."""
        return self.policy.endless or (self.lanes == 1 and not self.policy.looks_ahead)

    @property
    def _answers_at_once(self) -> bool:
        """Nobody waits for the labels of a frame of a file, if there is no speed to keep: others may be on the way."""
        waits = isinstance(self.source, LiveVideo) or "target_fps" in self.asked or not self.policy.endless
        return self._is_one_lane and waits

    def _followed(self, answers: Iterable[Answer]) -> Iterator[Answer]:
        """With a network made for warping, after its glance; without the frames that are not to be shown."""
        shown = (answer for answer in answers if not answer.frame.beyond)
        if self.model.follow_cost is None:
            return shown
        glances = 1 if self._is_one_lane else _GLANCES
        return self.network.followed(self._ahead(self._touched, shown), glances)

    def _ahead(self, function: Callable[[Answer], R], answers: Iterable[Answer]) -> Iterator[R]:
        """On threads, beside the network; with one core, or where frames are answered at once, on none."""
        cores = 1 if self._answers_at_once else torch.get_num_threads()
        most_threads = _THREADS if self._on_cpu else _QUEUEING
        threads = min(cores, most_threads) if cores > 1 else 0
        most = self._ahead_of_lane if self._is_one_lane else 0 if self._on_cpu else self.lanes * self._ahead_of_lane
        return called_ahead(function, answers, threads, self.stopwatch, most)

    def _touched(self, answer: Answer) -> Answer:
        with self.stopwatch("warp"):
            _ = answer.carried.scores
        return answer

    def _result(self, answer: Answer) -> Result:
        frame = answer.frame
        with self.stopwatch("warp"):
            kept = self._kept(answer) if self._with_scores else None
            scores = answer.carried.for_labels((frame.height, frame.width))
        with self.stopwatch("labels"):
            labels = self._labels(frame, scores)
        return Result(
            index=frame.display,
            labels=labels,
            pts_seconds=None if frame.pts is None else float(frame.pts * frame.time_base),
            kind=frame.kind,
            origin=answer.origin,
            key=answer.origin == "network",
            damaged=frame.damaged,
            region=answer.region,
            residual=frame.residual.score if self.policy.uses_residual and frame.residual is not None else None,
            frame=frame,
            scores=kept,
        )

    def _kept(self, answer: Answer) -> NDArray[np.float16]:
        """Scores as results hold them: probabilities of modes that gather them, also where the network spoke alone."""
        scores = answer.carried.scores
        if self.policy.gathers and not isinstance(answer.carried, Gathered):
            scores = scores.softmax(0)
        return _half(ones_and_zeros(scores, len(self.model.classes)) if scores.ndim == 2 else scores)

    def _labels(self, frame: CodedFrame, scores: Tensor | Contours) -> Labels:
        """At full size, along the edges of the picture where that was asked for."""
        size = frame.height, frame.width
        if self.policy.follows_edges:
            return labels_along_edges(scores, frame.picture, size)
        return labels_from_scores(scores, size)

    def summary(self, *, interrupted: bool = False, failed: BaseException | None = None) -> Summary:
        """The account so far."""
        return summary_of(self, interrupted=interrupted, failed=None if failed is None else one_line(failed))


def in_display_order(items: Iterable[T], skipped: Container[int] = (), *, number: Callable[[T], int]) -> Iterator[T]:
    """Puts what comes in coded order, or of several lanes, into display order, by its ``number`` there.

    skipped: numbers that do not come, each known before what comes after it.
    """
    waiting: list[tuple[int, T]] = []  # display indices never tie
    due = 0
    for item in items:
        heapq.heappush(waiting, (number(item), item))
        while waiting:
            while due in skipped:
                due += 1
            if waiting[0][0] != due:
                break
            yield heapq.heappop(waiting)[1]
            due += 1
    for _, item in sorted(waiting, key=lambda one: one[0]):
        yield item


def _half(scores: Tensor) -> NDArray[np.float16]:
    """What is beyond its range becomes the end of it."""
    most = torch.finfo(torch.float16).max
    halved: NDArray[np.float16] = scores.float().clamp(-most, most).half().cpu().numpy()
    return halved


def _touch_residual(frame: CodedFrame) -> None:
    """Measures the residual on the reading thread, beside the network."""
    _ = frame.residual
