"""``taplab demo``: a synthetic drive with exact truth, per-frame against taplab."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from taplab.cli import options
from taplab.cli.app import app, reported
from taplab.cli.progress import progress_bar

if TYPE_CHECKING:
    from taplab import Segmenter
    from taplab.data.drives import DriveClip
    from taplab.evaluation.score import Score
    from taplab.types import Rgb

_TITLE = "taplab demo"


@app.command(short_help="Render a drive and compare with per-frame.")
@reported
def demo(
    out: Annotated[
        Path,
        typer.Option(
            "-o", "--out", parser=options.path, help="Folder for the clip, masks, overlay, picture and summary."
        ),
    ] = Path("out/demo"),
    frames: Annotated[int, typer.Option(min=2)] = 96,
    height: Annotated[int, typer.Option(min=64)] = 512,
    width: Annotated[int, typer.Option(min=64)] = 1024,
    seed: int = 7,
    speed: Annotated[str, typer.Option(help="slow, medium or fast.")] = "medium",
    model: options.Model = "bl2-synthetic",
    device: options.Device = "cpu",
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Render a drive, segment it per-frame and with taplab, and compare both with the truth."""
    from taplab import PaperSettings, Segmenter, SyntheticDrive, load_model
    from taplab.data.clips import ClipSet
    from taplab.data.drives import DriveClip
    from taplab.evaluation.protocol import run_trial
    from taplab.evaluation.remember import Remembering
    from taplab.evaluation.score import summarise
    from taplab.evaluation.timing import time_ways
    from taplab.evaluation.trials import Draw, Encoding, trials
    from taplab.evaluation.ways import Way
    from taplab.output.folder import check_free, refuse_others, writable_folder
    from taplab.output.pictures import is_saved_picture, save_picture
    from taplab.output.saved import USUAL
    from taplab.video.encode import encode_clip

    out = writable_folder(out)
    check_free(out, USUAL)  # before the work
    refuse_others([out / "drive.mp4"], _is_drive)
    refuse_others([out / "demo.png"], is_saved_picture)
    drive = DriveClip(SyntheticDrive(height, width, frames, seed, speed=speed))
    clips, encoding = ClipSet("demo", drive.drive.classes, drive.drive.palette, [drive]), Encoding(quality=3)
    network = load_model(model, device=device)

    clip = encode_clip(
        out / "drive.mp4",
        _rendered(drive, frames, quiet=quiet),
        codec=encoding.codec,
        fps=drive.fps,
        gop=encoding.gop,
        quality=encoding.quality,
        title=_TITLE,
    )
    network.warm_up((height, width))
    paper = PaperSettings(modules=("ffw",))
    ways = [Way("per-frame"), Way("paper"), Way("offline"), Way("offline", replace(paper, interval=6))]
    (trial,) = trials(clips, encoding.gop, Draw())
    remembering, records = Remembering(network), []
    with progress_bar("segment", len(ways) + 1, quiet=quiet, unit="ways/s") as bar:
        for way in ways:
            records.append(run_trial(trial, clip, remembering, way))
            bar.advance(way.title)
        timings = time_ways(clip, network, ways, frames=frames, rounds=1)
    made = zip(ways, records, timings, strict=True)
    scores = [summarise(way, [record], [trial], clips, network, encoding, timing) for way, record, timing in made]
    segmenter = Segmenter(network, mode="offline", settings=paper)
    segmenter.run(clip, out)
    save_picture(_picture(segmenter, clip), out / "demo.png")
    if not quiet:
        _print(scores, f"{frames} frames of {width}x{height}, {model}")
        print("speeds are of one run each; taplab bench measures them in turn, several times")
        print(f"overlay, masks and summary -> {out}")


def _rendered(drive: "DriveClip", frames: int, *, quiet: bool) -> "Iterator[Rgb]":
    with progress_bar("render the drive", frames, quiet=quiet) as bar:
        for i in range(frames):
            yield drive.frame(i)
            bar.advance()


def _print(scores: "list[Score]", title: str) -> None:
    table = Table("", "mIoU", "network cost", "end-to-end fps", "ratio", title=escape(title))
    for s in scores:
        ratio = s.fps / scores[0].fps
        table.add_row(s.title, f"{100 * s.miou:.1f}", f"{s.network_cost:.3f}", f"{s.fps:.1f}", f"{ratio:.1f}")
    Console().print(table)


def _is_drive(path: Path) -> bool:
    """Was it rendered here?"""
    import av
    import av.error

    try:
        with av.open(str(path)) as clip:
            return clip.metadata.get("title") == _TITLE
    except (av.error.FFmpegError, OSError):
        return False


def _picture(segmenter: "Segmenter", clip: Path) -> "Rgb":
    """Frame, motion, residual and labels of the last frame before the second key frame, as a 2x2 sheet."""
    import numpy as np

    from taplab.output.pictures import motion_picture, overlay_picture, residual_picture

    result = [r for r in segmenter.stream(clip, max_frames=11) if not r.key][-1]
    frame, rgb = result.frame, result.frame.rgb()
    assert frame.motion is not None  # it was warped
    assert frame.residual is not None
    size = frame.height, frame.width
    motion, residual = motion_picture(frame.motion, *size), residual_picture(frame.residual, *size)
    overlay = overlay_picture(rgb, result.labels, segmenter.model.palette)
    return np.concatenate([np.concatenate([rgb, motion], 1), np.concatenate([residual, overlay], 1)], 0)
