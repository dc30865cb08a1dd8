"""End-to-end speed of the ways beside plain decoding: what ``taplab bench`` measures."""

import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path

import av.error

from taplab.crew.segmentation import CrewSegmentation
from taplab.evaluation.memory import forget_peak, peak_memory
from taplab.evaluation.protocol import segmenter_of
from taplab.evaluation.timing import in_turn, medians, warm_up_frames
from taplab.evaluation.ways import Way
from taplab.interrupt import is_interrupt
from taplab.models.base import Model
from taplab.segmentation import Segmentation
from taplab.segmenter import Segmenter
from taplab.timing import STAGES
from taplab.video import Reading, open_video
from taplab.video.container import open_container, the_video
from taplab.video.refused import no_frame

Done = Callable[[str], None]  # told what has just been run


@dataclass(frozen=True)
class Speed:
    """One way on one source; the field names are the keys of ``bench --json``.

    seconds: of the whole run, medians over the rounds: by stage, summed over threads, which overlap; "wait", that the
    pipeline's own thread spent waiting for decoding or labels; "total" by the clock, from opening the source to the
    last frame's labels. network_cost: pixels given to the network over pixels of all frames. fps: frames by total.

    Ratios are medians of those within each round. ratio_to_per_frame: speed-up. ratio_to_plain_decoding: time over that
    of plain decoding. share_of_bound: the time that the network's work alone would take (that of per-frame, times
    network_cost) over the time taken. rest_to_plain_decoding: all but the network over plain decoding.
    peak_memory: bytes, the most that the process held in this way's runs, with what it held before; None where the
    system cannot tell it of a part of a process, and of several processes. processes: that had frames of it. Their
    stages are summed over all of them; as the time of the network counts then what one of them has on average.
    notes: what was told of the runs.
    """

    title: str
    mode: str
    modules: list[str]
    interval: int
    frames: int
    seconds: dict[str, float]
    network_cost: float
    fps: float
    ratio_to_per_frame: float
    ratio_to_plain_decoding: float
    share_of_bound: float
    rest_to_plain_decoding: float
    peak_memory: int | None
    processes: int = 1
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Speeds:
    """plain_decode_seconds_per_frame: the median. plain_decode_peak_memory, peak_memory: bytes, of it and of all.
    rounds: that were measured.
    """

    modes: list[Speed]
    plain_decode_seconds_per_frame: float
    plain_decode_peak_memory: int | None
    peak_memory: int | None
    rounds: int


@dataclass(frozen=True)
class _Run:
    """One pass: seconds by stage, "wait" and "total"."""

    frames: int
    seconds: dict[str, float]
    network_cost: float = 0.0
    peak: int | None = None
    processes: int = 1
    notes: Sequence[str] = ()

    def a_frame(self, stage: str) -> float:
        return self.seconds[stage] / self.frames


def measure(
    source: str | Path,
    model: Model,
    ways: Sequence[Way],
    *,
    frames: int | None = None,
    rounds: int = 3,
    lanes: int | None = None,
    save: Sequence[str] = (),
    done: Done | None = None,
) -> Speeds:
    """Plain decoding and ``ways``, the first of which is per-frame, ``rounds`` times in turn after a warm-up.

    frames: the first so many alone. save: what is written too, any of "overlay", "masks" (into a temporary folder);
    without it the labels are made and dropped. done: called after each run. An interrupt ends it with the whole rounds
    so far, and is raised where there is none.
    Raises SourceError if ``source`` cannot be opened or not one frame decodes.
    """
    segmenters = [segmenter_of(model, way, lanes) for way in ways]
    runs = [partial(_decode, source, frames), *(partial(_segment, s, source, frames, save) for s in segmenters)]
    titles = ["plain decoding", *(way.title for way in ways)]
    for segmenter, way in zip(segmenters, ways, strict=True):
        _segment(segmenter, source, min(frames or sys.maxsize, way.processes * warm_up_frames(way)), save)
        _tell(done, f"warm-up: {way.title}")
    told = [partial(_told, run, done, title) for run, title in zip(runs, titles, strict=True)]
    whole: list[list[_Run]] = []
    try:
        whole.extend(in_turn(told, rounds))  # those that came stay
    except (KeyboardInterrupt, SystemError) as error:
        if not whole or not is_interrupt(error):
            raise
    plain, *taken = map(list, zip(*whole, strict=True))
    rows = [_speed(way, s, own, taken[0], plain) for way, s, own in zip(ways, segmenters, taken, strict=True)]
    middle = statistics.median(run.a_frame("total") for run in plain)
    return Speeds(rows, middle, _most(plain), peak_memory(), len(whole))


def _told(run: Callable[[], _Run], done: Done | None, title: str) -> _Run:
    gc.collect()
    alone = forget_peak()
    made = run()
    made = replace(made, peak=peak_memory() if alone else None)
    _tell(done, title)
    return made


def _tell(done: Done | None, what: str) -> None:
    if done is not None:
        done(what)


def _decode(source: str | Path, frames: int | None) -> _Run:
    """FFmpeg through PyAV on as many threads as taplab lets it have (its own choice), and nothing else."""
    started = time.perf_counter()
    count = _decoded_images(source, frames) if Path(source).is_dir() else _decoded(str(source), frames)
    if not count:
        raise no_frame(str(source))
    return _Run(count, {"total": time.perf_counter() - started})


def _decoded(source: str, frames: int | None) -> int:
    count = 0
    with open_container(source) as container:
        stream = the_video(container)
        stream.thread_type = "AUTO"
        for packet in container.demux(stream):
            try:
                count += len(packet.decode())
            except av.error.FFmpegError:  # taplab goes on, too
                continue
            if frames is not None and count >= frames:
                break
    return count


def _decoded_images(folder: str | Path, frames: int | None) -> int:
    with closing(open_video(folder, Reading(motion=False))) as images:
        return sum(1 for _ in islice(images.frames(), frames))


def _segment(segmenter: Segmenter, source: str | Path, frames: int | None, save: Sequence[str]) -> _Run:
    with tempfile.TemporaryDirectory(prefix="taplab-bench-") as folder:
        started = time.perf_counter()
        segmentation = _pass(segmenter, source, frames, save, folder)
        total = time.perf_counter() - started
    summary, spent = segmentation.summary(), segmentation.stopwatch.seconds
    seconds = {stage: spent.get(stage, 0.0) for stage in (*STAGES, "wait")}
    shared_by = segmentation.shared_by if isinstance(segmentation, CrewSegmentation) else 1
    cost, notes = summary.network_cost, summary.notes
    return _Run(summary.frames, {**seconds, "total": total}, cost, processes=shared_by, notes=notes)


def _pass(
    segmenter: Segmenter, source: str | Path, frames: int | None, save: Sequence[str], folder: str
) -> Segmentation:
    """A segmentation that has come to its end."""
    if save:
        passed: list[Segmentation] = []
        segmenter.run(source, folder, save=save, max_frames=frames, on_frame=lambda run, _: passed.append(run))
        return passed[-1]
    segmentation = segmenter.stream(source, max_frames=frames, pictures=False)
    for _ in segmentation:
        pass
    return segmentation


def _speed(way: Way, segmenter: Segmenter, runs: list[_Run], per_frame: list[_Run], plain: list[_Run]) -> Speed:
    seconds = medians([run.seconds for run in runs])
    rounds = list(zip(runs, per_frame, plain, strict=True))

    def middle(ratio: Callable[[_Run, _Run, _Run], float]) -> float:
        return round(statistics.median(ratio(*one) for one in rounds), 4)

    return Speed(
        title=way.title,
        mode=way.mode,
        modules=list(segmenter.policy.modules),
        interval=segmenter.policy.interval,
        frames=runs[0].frames,
        seconds={stage: round(value, 4) for stage, value in seconds.items()},
        network_cost=round(statistics.median(run.network_cost for run in runs), 4),
        fps=round(runs[0].frames / seconds["total"], 2),
        ratio_to_per_frame=middle(lambda run, base, _: base.a_frame("total") / run.a_frame("total")),
        ratio_to_plain_decoding=middle(lambda run, _, floor: run.a_frame("total") / floor.a_frame("total")),
        share_of_bound=middle(lambda run, base, _: base.a_frame("total") * run.network_cost / run.a_frame("total")),
        rest_to_plain_decoding=middle(
            lambda run, _, floor: (
                (run.a_frame("total") - run.a_frame("network") / run.processes) / floor.a_frame("total")
            )
        ),
        peak_memory=_most(runs) if way.processes == 1 else None,
        processes=max(run.processes for run in runs),
        notes=list(dict.fromkeys(note for run in runs for note in run.notes)),
    )


def _most(runs: list[_Run]) -> int | None:
    peaks = [run.peak for run in runs if run.peak is not None]
    return max(peaks, default=None)
