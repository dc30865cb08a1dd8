"""``taplab calibrate``: chooses THR_RGFS on training clips."""

import os
import shlex
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from taplab.cli import options
from taplab.cli.app import app, reported
from taplab.cli.calibrate_report import comment, described, print_curve, record
from taplab.cli.json_file import save_json
from taplab.cli.progress import progress_bar
from taplab.cli.usage import on_command_line, refuse
from taplab.errors import OutputError, SettingError
from taplab.words import counted

if TYPE_CHECKING:
    from taplab.calibrate import ClipScores, FolderEncoding
    from taplab.config import Config

_INTERVAL = 12  # as of the other commands


@app.command(short_help="Choose THR_RGFS on training clips.")
@reported
def calibrate(
    ctx: typer.Context,
    clips: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CLIP...", show_default=False, help="Training clips: video files, or folders of consecutive frames."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", parser=options.path, help="TOML file for --config; what else it holds is kept."),
    ] = None,
    share: Annotated[float, typer.Option(help="Of the frames that would be warped; 0.1 as in the paper.")] = 0.1,
    interval: Annotated[
        int | None,
        typer.Option(min=1, show_default="12", help="As for segment; default: what the file of -o says, else 12."),
    ] = None,
    codec: Annotated[str, typer.Option(help="Folders: mpeg4, h264, hevc, mpeg2video, …")] = "mpeg4",
    gop: Annotated[int, typer.Option(min=1, help="Folders: I-frames every so many frames.")] = 12,
    quality: Annotated[float | None, typer.Option(help="Folders: quantiser (MPEG-4: 3) or crf (H.264: 23).")] = None,
    fps: Annotated[float, typer.Option(min=0.1, help="Folders: frame rate.")] = 17.0,
    max_frames: Annotated[int | None, typer.Option(min=2, help="Of each clip the first so many frames.")] = None,
    agreement: Annotated[
        bool,
        typer.Option("--agreement", help="Also fit what --quality predicts to --model: runs it on every frame."),
    ] = False,
    model: options.Model = "bl2-camvid",
    device: options.Device = "cpu",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the curve here.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the curve into this .png or .svg.")] = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Choose THR_RGFS so that a given share of the frames of training CLIPs become key frames."""
    if not clips:
        raise SettingError("calibrate: no clip given; name video files or folders of consecutive frames")
    from taplab.calibrate import FolderEncoding, check_share

    _check_usage(on_command_line(ctx), clips, agreement=agreement)
    check_share(share)
    _check_outputs(out, json_file, plot)
    network = None
    if agreement:
        from taplab import load_model

        network = load_model(model, device=device)
    interval = _interval(interval, out)
    encoding = FolderEncoding(codec, gop, quality, fps)
    measured = _measure(clips, encoding, interval, max_frames, quiet=quiet, verbose=verbose)
    if network is None or json_file or plot or any(len(clip.scores) for clip in measured):
        _threshold(measured, share, interval, out, json_file, plot, quiet=quiet)
    for clip in measured:
        _warn(clip)
    if network is not None:
        from taplab.cli import calibrate_agreement

        found = calibrate_agreement.fit(clips, network, encoding, interval, max_frames, quiet=quiet)
        if not quiet:
            calibrate_agreement.report(found, network)
        if out is not None:
            calibrate_agreement.write(out, found, model, clips)


def _threshold(
    measured: "Sequence[ClipScores]",
    share: float,
    interval: int,
    out: Path | None,
    json_file: Path | None,
    plot: Path | None,
    *,
    quiet: bool,
) -> None:
    """Chooses it; prints, draws and writes what was asked for."""
    from taplab.calibrate import Curve
    from taplab.settings_file import write_threshold

    curve = Curve(measured)
    threshold = curve.threshold(share)
    if not quiet:
        print_curve(measured, curve, share, interval)
    if json_file is not None:
        save_json(record(measured, curve, share, interval), json_file)
    if plot is not None:
        from taplab.output.share_curve import draw_share_curve

        data = f"{counted(len(curve.scores), 'frame')} of {counted(len(measured), 'clip')}"
        draw_share_curve(plot, curve, threshold, data)
    if out is not None:
        write_threshold(out, threshold, comment(measured, curve, share, interval))
        _warn_unused(out)
    if not quiet:
        use = _use(threshold, interval, out)
        print(f"thr_rgfs = {threshold!r} (use it with: taplab segment SOURCE -o OUT {use})")


def _check_usage(written: Collection[str], clips: Sequence[str], *, agreement: bool) -> None:
    """Raises SettingError for options that these clips, or this calibration, make no use of."""
    if not any(Path(clip).is_dir() for clip in clips):
        refuse(written, ("codec", "gop", "quality", "fps"), "is for folders of images, and no CLIP is one")
    if not agreement:
        refuse(written, ("model", "device"), "no network runs without --agreement")


def _check_outputs(out: Path | None, json_file: Path | None, plot: Path | None) -> None:
    from taplab.output.folder import writable_folder
    from taplab.output.share_curve import check_picture

    if plot is not None:
        check_picture(plot)
    for option, file in (("-o", out), ("--json", json_file), ("--plot", plot)):
        if file is None:
            continue
        writable_folder(file.parent)
        if file.exists() and not (file.is_file() and os.access(file, os.W_OK)):
            raise OutputError(f"{file}: is there and cannot be written as a file; give another {option}")


def _interval(asked: int | None, out: Path | None) -> int:
    """The one with which the threshold will be used. Raises SettingError if ``out`` is there and says another."""
    said = _settings_in(out).interval
    if asked is not None and said is not None and asked != said:
        raise SettingError(
            f"--interval {asked}: {out} says interval = {said}, with which the threshold would be used; "
            "leave --interval out, or change it there"
        )
    return asked or said or _INTERVAL


def _settings_in(out: Path | None) -> "Config":
    """What stands in the file that gets the threshold. Raises SettingError if it is none of settings."""
    from taplab.config import Config, read_config

    return read_config(out) if out is not None and out.exists() else Config()


def _use(threshold: float, interval: int, out: Path | None) -> str:
    """The options that make use of the threshold."""
    use = f"--thr-rgfs {threshold!r}" if out is None else f"--config {shlex.quote(str(out))}"
    return use if interval == (_settings_in(out).interval or _INTERVAL) else f"{use} --interval {interval}"


def _measure(
    clips: Sequence[str],
    encoding: "FolderEncoding",
    interval: int,
    max_frames: int | None,
    *,
    quiet: bool,
    verbose: bool,
) -> "list[ClipScores]":
    from taplab.calibrate import check_source, measure

    steps = [check_source(clip, encoding, max_frames) for clip in clips]
    total = None if None in steps else sum(step or 0 for step in steps)
    measured = []
    with progress_bar("calibrate", total, quiet=quiet) as bar:
        for clip in clips:
            name = Path(clip).name or clip
            scores = measure(
                clip,
                encoding=encoding,
                interval=interval,
                max_frames=max_frames,
                on_frame=lambda stage, name=name: bar.advance(f"{stage} {name}"),  # type: ignore[misc]
            )
            measured.append(scores)
            if verbose:
                print(described(scores), file=sys.stderr)
    return measured


def _warn(clip: "ClipScores") -> None:
    if clip.broke_off:
        print(f"taplab: note: {clip.source}: {clip.broke_off}; the rest was measured", file=sys.stderr)
    if not len(clip.scores):
        print(f"taplab: note: {clip.source}: no frame could be warped: no threshold", file=sys.stderr)
    if clip.images and clip.unlike:
        print(
            f"taplab: note: {clip.source}: its images hardly resemble each other; "
            "a threshold from single pictures fits no video",
            file=sys.stderr,
        )


def _warn_unused(out: Path) -> None:
    modules = _settings_in(out).modules
    if modules is not None and "rgfs" not in modules:
        print(f"taplab: note: {out}: modules = {modules}; the threshold works with rgfs among them", file=sys.stderr)
