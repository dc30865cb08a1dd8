"""The front door: a model and a way of working, for any number of sources."""

import os
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from taplab.crew.processes import crew_of
from taplab.crew.segmentation import CrewSegmentation
from taplab.crew.worker import Job
from taplab.errors import OutputError, SettingError, SourceError
from taplab.interrupt import PutOff
from taplab.memory import keep_freed_memory
from taplab.models.asked import check_model
from taplab.models.base import Model
from taplab.models.load import DEFAULT, load_model
from taplab.network import CPU_BATCH_PIXELS
from taplab.output.folder import FILES, held, remove_earlier_run, writable_folder
from taplab.output.saved import USUAL, check_save, writing
from taplab.output.summary import Summary
from taplab.policies import Dial, Paper, PaperSettings, Policy, Relations, make_policy, require_use, unused
from taplab.segmentation import Segmentation
from taplab.threads import cores
from taplab.timing import Stopwatch
from taplab.types import THR_RGC, Result
from taplab.video import RECONNECT, TIMEOUT, Reading, Video, open_video
from taplab.video.share import Share
from taplab.words import is_whole, name_list

_PROCESSES_A_CORE = 4
OnFrame = Callable[[Segmentation, Result], None]


class Segmenter:
    """Segments videos with ``model``: a ``Model``, or a name or file that ``load_model`` knows.

    mode: "auto" (offline, or live for streams such as rtsp://), "offline", "live", "paper" or "per-frame"; to compare
    with, also "itp" or "flow:NAME" (see ``make_policy``).
    interval: at most so many frames from one key frame to the next, 12 unless given; settings: that and all else of
    the paper's algorithm, in its place. budget, quality, target_fps: what is asked for, one of them, and the interval
    follows the motion: the network cost, 0.01 to 1, at most; the points of mIoU that may be lost against the network on
    every frame, as predicted; frames a second (mode live). ``interval`` is then 24 unless given, or 2 / budget where
    that is more. relations: what mismatch costs, as ``Config.relations`` gives them. lanes: runs of frames that advance
    in lockstep and share network calls; with 1, "paper" answers every frame as soon as it is decoded; "live" always has
    one. device: "cpu" or "cuda", used where ``model`` is a name. processes: so many groups of a file's frames are
    worked on at once, each by a process with a model of its own and its share of the cores, where the file can be cut
    at its key frames. They stay until the model goes. A program that has more than one must begin under
    ``if __name__ == "__main__":``.

    Raises ModelError, DeviceError or SettingError, also for settings that the mode makes no use of.
    """

    def __init__(
        self,
        model: Model | str | Path = DEFAULT,
        *,
        mode: str = "auto",
        interval: int | None = None,
        settings: PaperSettings | None = None,
        device: str = "cpu",
        lanes: int | None = None,
        budget: float | None = None,
        quality: float | None = None,
        target_fps: float | None = None,
        relations: Relations | None = None,
        processes: int = 1,
    ) -> None:
        keep_freed_memory()
        if not isinstance(mode, str):
            raise SettingError(f"mode {mode!r}: write its name, such as offline")
        if not isinstance(settings, PaperSettings | None):
            raise SettingError(f"settings {settings!r}: give a PaperSettings")
        if interval is not None and settings is not None:
            raise SettingError("interval: settings have one; give it there")
        if interval is not None:
            settings = PaperSettings(interval=interval)
        asked = Dial(budget, quality, target_fps, relations or Relations())
        self.model = check_model(model if isinstance(model, Model) else load_model(model, device=device))
        self.notes = list(self.model.notes)
        self.asked, self.mode = asked.asked, asked.mode(mode)
        self.dial = asked.beside(self.model.follow_cost or 0.0)
        settings = settings or PaperSettings(interval=self.dial.interval)
        require_use(settings, self.mode, asked=bool(self.asked))
        self.settings = self._fitting(settings)
        self.lanes = lanes
        if lanes is not None and (not is_whole(lanes) or lanes < 1):
            raise SettingError(f"lanes {lanes!r}: must be a whole number, at least 1")
        self.processes, self._relations = processes, relations
        if not is_whole(processes) or processes < 1:
            raise SettingError(f"processes {processes!r}: must be a whole number, at least 1")
        if processes > (most := max(_PROCESSES_A_CORE * cores(), 8)):
            raise SettingError(f"processes {processes}: each needs the memory of a whole run; give at most {most} here")
        if processes > 1 and target_fps is not None:
            raise SettingError("target_fps is kept by one process; leave out processes")
        self.policy = self._policy_of(self.mode)

    def _fitting(self, settings: PaperSettings) -> PaperSettings:
        """RGC is left out where the network cannot take regions."""
        if "rgc" not in settings.modules or self.model.takes_crops:
            return settings
        self.notes.append(f"rgc is off: {self.model.name} has a fixed input size and cannot take regions of a frame")
        return replace(settings, modules=tuple(m for m in settings.modules if m != "rgc"))

    def _lanes_for(self, size: tuple[int, int]) -> int:
        """As asked for; else two, or four of small pictures, which gain from sharing passes on a CPU.

        Fewer where they are long: memory is their number times the interval.
        """
        if self.lanes is not None:
            return self.lanes
        small = self.model.device == "cpu" and 4 * size[0] * size[1] <= CPU_BATCH_PIXELS
        return max(min(4 if small else 2, 96 // self.settings.interval), 1)

    def stream(
        self,
        source: str | Path,
        *,
        max_frames: int | None = None,
        timeout: float = TIMEOUT,
        reconnect: float = RECONNECT,
        keep_all: bool = False,
        scores: bool = False,
        pictures: bool = True,
    ) -> Segmentation:
        """Iterate over it for a ``Result`` a frame, in display order. Raises SourceError if it cannot be opened.

        timeout: seconds that a URL or playlist may keep silent before it counts as dead. Of live sources, which set
        their own pace: reconnect: seconds to go on trying where one is lost, 0 for none. keep_all: drop no frame where
        more come than can be worked on, and fall behind. scores: results hold their score maps, too.
        pictures: their frames have pictures; for that a file that several processes segment is decoded twice.
        """
        reading = Reading(max_frames=max_frames, timeout=timeout, reconnect=reconnect)
        return self.begin(source, reading, keep_all=keep_all, scores=scores, pictures=pictures)

    def run(
        self,
        source: str | Path,
        out: str | Path,
        *,
        save: Iterable[str] = USUAL,
        max_frames: int | None = None,
        timeout: float = TIMEOUT,
        reconnect: float = RECONNECT,
        keep_all: bool = False,
        on_frame: OnFrame | None = None,
    ) -> Summary:
        """Segments ``source`` into the folder ``out``: masks/, overlay.mp4, summary.json.

        save: any of "overlay", "masks", "scores" (scores/000000.npy, float16), "coco" (coco.json, needs pycocotools),
        "jsonl" (frames.jsonl, what is known of each frame). timeout, reconnect, keep_all: see ``stream``. on_frame:
        called after every frame, for progress. An interrupt (Ctrl-C) leaves finished files of the frames so far and is
        raised again; what fails on the way is ``failed`` in the summary that is left, too.
        Raises SourceError, OutputError, ModelError, SettingError, MissingExtraError.
        """
        if not isinstance(save, Iterable):
            raise SettingError(f"save {save!r}: name some of {', '.join(FILES)}")
        wanted = name_list(save)
        check_save(wanted)
        scores, pictures = "scores" in wanted, "overlay" in wanted
        reading = Reading(max_frames=max_frames, timeout=timeout, reconnect=reconnect)
        segmentation = self.begin(source, reading, keep_all=keep_all, scores=scores, pictures=pictures)
        with closing(segmentation.source), held(out := writable_folder(out)):
            remove_earlier_run(out, segmentation.source.source, wanted)
            segmentation.saved = wanted
            segmentation.summary(interrupted=True).save(out / "summary.json")  # says whose it is, if we are killed
            try:
                interrupted = _written(segmentation, out, on_frame)
            except Exception as error:  # the masks so far stay
                with suppress(OutputError):
                    segmentation.summary(failed=error).save(out / "summary.json")
                raise
            segmentation.counts.end()  # with the files
            summary = segmentation.summary(interrupted=interrupted)
            summary.save(out / "summary.json")
        if interrupted:
            raise KeyboardInterrupt
        return summary

    def _policy_for(self, *, live: bool) -> Policy:
        """A stream cannot be looked ahead in without falling behind. What counts on the way is made for each anew."""
        live = live and self.mode == "auto"
        if self.policy.forecast is None and not live:
            return self.policy
        return self._policy_of("live" if live else self.policy.name)

    def _policy_of(self, mode: str) -> Policy:
        glances = self.model.follow_cost is not None
        return make_policy(mode, self.settings, self.model.device, self.dial, glances=glances)

    def _unused_notes(self, mode: str) -> list[str]:
        """What "auto" makes no use of in the mode that it chose for a stream."""
        if mode != "live" or self.mode != "auto":
            return []
        there = unused(self.settings, mode, asked=bool(self.asked))
        return [f"{name} is not used: {why}" for name, why in there.items()]

    def begin(
        self,
        source: str | Path,
        reading: Reading,
        *,
        keep_all: bool,
        scores: bool,
        pictures: bool = True,
        share: Share | None = None,
    ) -> Segmentation:
        """What ``stream`` and ``run`` have in common.

        reading: how it is read, for the most part; what the policy needs of a frame is added. pictures: the frames of
        results must have theirs, whoever decodes them. share: of the file, what is segmented.
        """
        if not isinstance(source, str | Path):
            hint = f"; for a camera write camera:{source}" if is_whole(source) else ""
            raise SourceError(f"{type(source).__name__}: a source is a file, a folder or a URL, as str or Path{hint}")
        stopwatch = Stopwatch()
        thr_rgc = self.policy.settings.thr_rgc if isinstance(self.policy, Paper) else THR_RGC
        reading = replace(reading, motion=self.policy.uses_motion, refine=self.policy.refine, thr_rgc=thr_rgc)
        opened = open_video(source, reading, stopwatch=stopwatch, share=share)
        try:
            size = opened.height, opened.width
            self.model.settle(size)
            policy = self._policy_for(live=opened.live)
            notes = [*self.notes, *self._unused_notes(policy.name)]
            run = opened, self.model, policy, self._lanes_for(size), stopwatch, notes, self.asked
            if self.processes > 1:
                if isinstance(opened, Video) and opened.is_divisible:
                    job = Job(self._how, os.path.abspath(source), reading, keep_all=keep_all, scores=scores)
                    crew, of = crew_of(self.model), self.processes
                    return CrewSegmentation(*run, crew=crew, job=job, processes=of, pictures=pictures, scores=scores)
                notes.append(
                    f"one process does it: {opened.source} ({opened.codec}) is no file that can be cut at key frames"
                )
            return Segmentation(*run, keep_all=keep_all, scores=scores)
        except BaseException:
            opened.close()
            raise

    @property
    def _how(self) -> dict[str, Any]:
        """What other processes make the same of."""
        how = {"mode": self.mode, "settings": self.settings, "lanes": self.lanes, "relations": self._relations}
        return {**how, **self.asked}


def _written(segmentation: Segmentation, out: Path, on_frame: OnFrame | None) -> bool:
    """Every result, in whole files; whether it was interrupted."""
    interrupted = False
    with PutOff(segmentation.interrupt) as ctrl_c, writing(segmentation, out, segmentation.saved) as write:
        try:
            for result in segmentation:
                with segmentation.stopwatch("write"):
                    write(result)
                if on_frame is not None:
                    on_frame(segmentation, result)
        except KeyboardInterrupt:
            interrupted = True
        interrupted = interrupted or ctrl_c.asked
    return interrupted
