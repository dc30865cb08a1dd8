"""``taplab calibrate``: chooses THR_RGFS on training clips."""

import json
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from taplab import __version__
from taplab.cli import options
from taplab.cli.app import app, reported
from taplab.cli.progress import progress_bar
from taplab.errors import OutputError, SettingError

if TYPE_CHECKING:
    from taplab.calibrate import ClipScores, Curve, Encoding
    from taplab.config import Config

SHARES = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5)
_INTERVAL = 12  # as of the other commands
NAMED = 12  # clips that the comment in the TOML file names


@app.command()
@reported
def calibrate(
    clips: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CLIP...", show_default=False, help="Training clips: video files, or folders of consecutive frames."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="TOML file for --config; what else is in it stays.")
    ] = None,
    share: Annotated[float, typer.Option(help="Of the frames that would be warped; 0.1 as in the paper.")] = 0.1,
    interval: Annotated[
        int | None,
        typer.Option(min=1, show_default="12", help="As of segment; what the file of -o says if not given."),
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
    from taplab.calibrate import Curve, Encoding, check_share
    from taplab.config import write_threshold

    check_share(share)
    _check_outputs(out, json_file, plot)
    network = None
    if agreement:
        from taplab import load_model
        from taplab.cli import calibrate_agreement

        network = load_model(model, device=device)
    interval = _interval(interval, out)
    encoding = Encoding(codec, gop, quality, fps)
    measured = _measure(clips, encoding, interval, max_frames, quiet=quiet, verbose=verbose)
    curve = Curve(measured)
    threshold = curve.threshold(share)
    for clip in measured:
        _warn(clip)
    if not quiet:
        _print(measured, curve, share, interval)
    if json_file is not None:
        _save(json_file, _record(measured, curve, share, interval))
    if plot is not None:
        from taplab.output.share_curve import draw_share_curve

        draw_share_curve(plot, curve, threshold, f"{len(curve.scores)} frames of {_clips(measured)}")
    if network is not None:
        found = calibrate_agreement.fit(clips, network, encoding, interval, max_frames, quiet=quiet)
        if not quiet:
            calibrate_agreement.report(found, network)
        if out is not None:
            calibrate_agreement.write(out, found, network, clips)
    if out is not None:
        write_threshold(out, threshold, _comment(measured, curve, share, interval))
        _warn_unused(out)
    if not quiet:
        use = _use(threshold, interval, out)
        print(f"thr_rgfs = {threshold!r} (use it with: taplab segment SOURCE -o OUT {use})")


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
    clips: Sequence[str], encoding: "Encoding", interval: int, max_frames: int | None, *, quiet: bool, verbose: bool
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
                print(_described(scores), file=sys.stderr)
    return measured


def _described(clip: "ClipScores") -> str:
    line = (
        f"{clip.source}: {clip.codec}, {clip.width}x{clip.height}, {clip.frames} frames, {clip.keys} key frames anyway"
    )
    if not len(clip.scores):
        return line
    return f"{line}, residual {clip.scores.mean():.2f} grey levels a pixel, at most {clip.scores.max():.2f}"


def _warn(clip: "ClipScores") -> None:
    if not len(clip.scores):
        print(f"taplab: note: {clip.source}: no frame is predicted from another; it adds nothing", file=sys.stderr)
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


def _print(clips: "Sequence[ClipScores]", curve: "Curve", share: float, interval: int) -> None:
    from taplab.calibrate import PAPER_THRESHOLDS

    table = Table(
        "share asked", "THR_RGFS, grey levels a pixel", "share reached", title=f"{len(curve.scores)} warped frames"
    )
    for asked in sorted({*SHARES, share}):
        threshold = curve.threshold(asked)
        style = "bold" if asked == share else None
        table.add_row(f"{100 * asked:g} %", f"{threshold:g}", f"{100 * curve.share(threshold):.1f} %", style=style)
    table.add_section()
    for name, threshold in PAPER_THRESHOLDS.items():
        table.add_row(f"paper, {name}", f"{threshold:g}", f"{100 * curve.share(threshold):.1f} %")
    Console().print(table)
    print(_others(clips, interval))
    if curve.share(curve.threshold(share)) == 0:
        print(
            f"{100 * share:g} % of {len(curve.scores)} frames is not one of them, or they score alike: give more clips"
        )


def _others(clips: "Sequence[ClipScores]", interval: int) -> str:
    """The frames that no threshold changes."""
    keys, unmeasured = sum(clip.keys for clip in clips), sum(clip.unmeasured for clip in clips)
    text = f"not counted: {keys} key frames anyway (I-frames, or due by the interval of {interval})"
    return text + (f", {unmeasured} frames without usable motion, which the network sees too" if unmeasured else "")


def _clips(clips: "Sequence[ClipScores]") -> str:
    return "1 clip" if len(clips) == 1 else f"{len(clips)} clips"


def _comment(clips: "Sequence[ClipScores]", curve: "Curve", share: float, interval: int) -> list[str]:
    """Where a threshold came from; it stands above it in the TOML file."""
    reached = curve.share(curve.threshold(share))
    lines = [
        f"{100 * reached:.1f} % of {len(curve.scores)} warped frames become key frames (asked: {100 * share:g} %)",
        _others(clips, interval),
    ]
    lines += [f"from {_described(clip)}" for clip in clips[:NAMED]]
    if len(clips) > NAMED:
        lines.append(f"and from {len(clips) - NAMED} more clips")
    lines.append(f"taplab {__version__}: {shlex.join(['taplab', *sys.argv[1:]])}")
    return ["".join(c if c.isprintable() else "?" for c in line) for line in lines]


def _record(clips: "Sequence[ClipScores]", curve: "Curve", share: float, interval: int) -> dict[str, object]:
    from taplab.calibrate import PAPER_THRESHOLDS

    def point(asked: float) -> dict[str, float]:
        threshold = curve.threshold(asked)
        return {"share": asked, "threshold": threshold, "reached": curve.share(threshold)}

    return {
        **point(share),
        "unit": "grey levels per pixel of luma",
        "interval": interval,
        "warped_frames": len(curve.scores),
        "clips": [
            {
                "source": clip.source,
                "codec": clip.codec,
                "width": clip.width,
                "height": clip.height,
                "frames": clip.frames,
                "key_frames_anyway": clip.keys,
                "without_motion": clip.unmeasured,
                "mean_score": float(clip.scores.mean()) if len(clip.scores) else None,
            }
            for clip in clips
        ],
        "curve": [point(percent / 100) for percent in range(1, 100)],
        "paper": {name: {"threshold": t, "share": curve.share(t)} for name, t in PAPER_THRESHOLDS.items()},
    }


def _save(path: Path, record: dict[str, object]) -> None:
    try:
        path.write_text(json.dumps(record, indent=2) + "\n")
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror}); give another --json") from error
