"""``taplab inspect``: what a stream offers, before a network is run on it."""

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Annotated

import typer

from taplab.cli import options
from taplab.cli.app import app, reported
from taplab.cli.progress import progress_bar
from taplab.cli.usage import on_command_line, refuse
from taplab.errors import OutputError
from taplab.files import writable
from taplab.words import counted

if TYPE_CHECKING:
    from taplab.policies import Paper
    from taplab.types import CodedFrame
    from taplab.video import Source

_PICTURES = ("timeline.png", "motion.png", "residual.png", "frame.png")


@dataclass
class _Survey:
    """One entry a frame, in display order once ``sort`` was called."""

    display: list[int] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    keys: list[bool] = field(default_factory=list)
    damaged: list[bool] = field(default_factory=list)
    residual: list[float | None] = field(default_factory=list)
    coded: list[float] = field(default_factory=list)  # share of blocks with a vector, of frames with the codec's motion
    estimated: int = 0  # frames with motion of our own
    length: list[float] = field(default_factory=list)  # mean vector in pixels, of frames with motion

    def add(self, frame: "CodedFrame", key: bool) -> None:
        import numpy as np

        self.display.append(frame.display)
        self.kinds.append(frame.kind)
        self.keys.append(key)
        self.damaged.append(frame.damaged)
        self.residual.append(frame.residual.score if frame.residual is not None else None)
        if frame.motion is not None:
            if frame.motion.origin == "codec":
                self.coded.append(float(frame.motion.coded.mean()))
            else:
                self.estimated += 1
            vectors = np.sum([f.vectors * f.weight[..., None] for f in frame.motion.fields], axis=0)
            self.length.append(float(np.hypot(vectors[..., 0], vectors[..., 1]).mean()))

    def sort(self) -> None:
        order = sorted(range(len(self.display)), key=self.display.__getitem__)
        for name in ("kinds", "keys", "damaged", "residual"):
            values = getattr(self, name)
            setattr(self, name, [values[i] for i in order])


@app.command(short_help="Show what a compressed stream offers.")
@reported
def inspect(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(help="A video file, a URL that FFmpeg reads, or a folder of images.")],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", parser=options.path, help="Folder for motion.png, residual.png, timeline.png."),
    ] = None,
    frame: Annotated[
        int | None, typer.Option(min=0, help="Frame to draw (display order); default: the middle.")
    ] = None,
    modules: options.Modules = "ffw",
    interval: options.Interval = 12,
    max_frames: options.MaxFrames = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Show what the compressed stream of SOURCE offers: codec, GOPs, vectors, residual, expected speed-up."""
    from taplab.lanes import mark_keys
    from taplab.output.folder import writable_folder
    from taplab.policies import Paper, PaperSettings
    from taplab.video import Reading, open_video
    from taplab.video.refused import no_frame

    if out is None:
        refuse(on_command_line(ctx), ("frame",), "is drawn into the folder of -o, and there is none")
    policy = Paper(PaperSettings(modules=options.modules(modules), interval=interval))
    if out is not None:
        out = writable_folder(out)
        _check_apart(out, source)
    video = open_video(source, Reading(max_frames=max_frames))
    wanted = frame if frame is not None else (video.expected_frames or 0) // 2
    survey, drawn = _Survey(), None
    with progress_bar(Path(source).name, video.expected_frames, quiet=quiet) as bar:
        for coded in mark_keys(video.frames(), interval):
            if coded.beyond:
                continue
            survey.add(coded, policy.is_key(coded) or coded.motion is None)
            if coded.motion is not None and (
                drawn is None or abs(coded.display - wanted) < abs(drawn.display - wanted)
            ):
                drawn = coded
            bar.advance()
    if not survey.kinds:
        raise no_frame(source, video.broke_off)
    survey.sort()
    if not quiet:
        _report(video, survey, policy)
    if out is not None:
        _draw(out, survey, drawn)
        if not quiet:
            print(f"pictures -> {out}")


def _check_apart(out: Path, source: str) -> None:
    """Raises OutputError where pictures would take the place of others, or stand among those of a source."""
    from taplab.output.folder import refuse_others
    from taplab.output.pictures import is_saved_picture
    from taplab.video.address import files_of

    pictures = [out / name for name in _PICTURES]
    if {file.resolve() for file in (out, *pictures)} & {Path(file).resolve() for file in files_of(source)}:
        raise OutputError(f"{out}: its files are what is to be inspected; give another folder with -o")
    refuse_others(pictures, is_saved_picture)


def _report(video: "Source", survey: _Survey, policy: "Paper") -> None:
    frames, keys = len(survey.kinds), sum(survey.keys)
    counts = ", ".join(f"{survey.kinds.count(k)} {k}" for k in "IPB" if k in survey.kinds)
    rate = f"{float(video.rate):.3g} fps" if video.rate else "no frame rate"
    print(f"{video.source}: {video.codec}, {video.width}x{video.height}, {rate}")
    print(f"  frames          {frames} ({counts})")
    starts = [i for i, kind in enumerate(survey.kinds) if kind == "I"]
    gaps = [later - i for i, later in pairwise(starts)]
    print(f"  I-frames        every {min(gaps)} to {max(gaps)} frames" if gaps else "  I-frames        one")
    if survey.coded:
        print(f"  motion vectors  in {len(survey.coded)} frames; {100 * fmean(survey.coded):.0f} % of their blocks")
    if survey.estimated:
        print(f"  estimated       motion of {counted(survey.estimated, 'frame')} without vectors of {video.codec}")
    if survey.length:
        print(f"  motion          {fmean(survey.length):.1f} px a frame on average")
        scores = [r for r in survey.residual if r is not None]
        print(f"  residual        {fmean(scores):.2f} grey levels a pixel, at most {max(scores):.2f}")
    else:
        print("  motion          none: the network will see every frame")
    if sum(survey.damaged) or video.lost:
        print(f"  damaged         {sum(survey.damaged)} frames doubtful, {video.lost} lost")
    print(
        f"  expected        {counted(keys, 'key frame')} with {'+'.join(policy.settings.modules)}, "
        f"interval {policy.interval}: network cost {keys / frames:.3f}, "
        f"up to {frames / keys:.1f} times faster than per-frame"
    )


def _draw(out: Path, survey: _Survey, frame: "CodedFrame | None") -> None:
    from taplab.output.chart import timeline_chart
    from taplab.output.pictures import motion_picture, residual_picture, save_picture
    from taplab.video.planes import luma_plane

    with writable(out, "give another -o"):
        for name in _PICTURES:
            (out / name).unlink(missing_ok=True)  # of an earlier look at something else
        chart = timeline_chart(survey.kinds, survey.residual, survey.keys, survey.damaged)
        save_picture(chart, out / "timeline.png")
        if frame is not None and frame.motion is not None and frame.residual is not None:
            size = frame.height, frame.width
            save_picture(motion_picture(frame.motion, *size), out / "motion.png")
            heat = residual_picture(frame.residual, *size, luma=luma_plane(frame.picture))
            save_picture(heat, out / "residual.png")
            save_picture(frame.rgb(), out / "frame.png")
