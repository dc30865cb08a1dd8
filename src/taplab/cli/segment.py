"""``taplab segment``: a mask for every frame of a video."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from taplab.cli import options
from taplab.cli.app import app, reported
from taplab.cli.progress import progress_bar

if TYPE_CHECKING:
    from taplab import Result, Segmentation, Summary


@app.command()
@reported
def segment(
    source: Annotated[str, typer.Argument(help="A video file, a URL that FFmpeg reads, or a folder of images.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for masks/, overlay.mp4 and summary.json.")],
    model: options.Model = "bl2-camvid",
    mode: Annotated[
        str, typer.Option(help="auto (offline, for streams live), offline, live, paper, per-frame.")
    ] = "auto",
    modules: options.ModulesByThreshold = None,
    interval: options.DialInterval = None,
    budget: options.Budget = None,
    quality: options.Quality = None,
    target_fps: options.TargetFps = None,
    alpha: options.Alpha = 0.6,
    thr_rgc: options.ThrRgc = 30,
    thr_rgfs: options.ThrRgfsIfAny = None,
    region: options.Region = None,
    stride: options.Stride = None,
    config: options.Config = None,
    save: Annotated[str, typer.Option(help="overlay, masks or both.")] = "overlay,masks",
    device: options.Device = "cpu",
    engine: options.Engine = None,
    lanes: options.Lanes = None,
    max_frames: options.MaxFrames = None,
    timeout: options.Timeout = 20.0,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Segment every frame of SOURCE; the network runs on a few of them, the rest follow the stream's own motion."""
    from taplab import Segmenter, load_model
    from taplab.config import paper_settings, read_config
    from taplab.policies import Dial

    dial = Dial(budget, quality, target_fps)
    dial.mode(mode)
    settings = paper_settings(
        modules=modules,
        interval=interval,
        alpha=alpha,
        thr_rgc=thr_rgc,
        thr_rgfs=thr_rgfs,
        region=region,
        stride=stride,
    )
    network = load_model(model, device=device, engine=engine)
    if interval is None:
        settings = replace(settings, interval=dial.beside(network.follow_cost or 0.0).interval)
    segmenter = Segmenter(
        network,
        mode=mode,
        settings=settings,
        lanes=lanes,
        budget=budget,
        quality=quality,
        target_fps=target_fps,
        relations=None if config is None else read_config(config).relations(),
    )
    with progress_bar(Path(source).name or source, None, quiet=quiet) as bar:

        def on_frame(run: "Segmentation", result: "Result") -> None:
            bar.total(run.source.expected_frames)
            bar.advance(f"{run.key_frames} key frames")
            if verbose:
                _describe(result)

        summary = segmenter.run(
            source, out, save=options.modules(save), max_frames=max_frames, timeout=timeout, on_frame=on_frame
        )
    _warn(summary)
    if not quiet:
        _report(summary, out)


def _describe(result: "Result") -> None:
    residual = "" if result.residual is None else f"  residual {result.residual:.2f}"
    damaged = "  DAMAGED" if result.damaged else ""
    print(f"{result.index:6d}  {result.kind}  {result.origin}{residual}{damaged}", file=sys.stderr)


def _warn(summary: "Summary") -> None:
    for note in summary.notes:
        print(f"taplab: note: {note}", file=sys.stderr)
    if summary.damaged:
        how = f" ({summary.broke_off})" if summary.broke_off else ""
        print(
            f"taplab: warning: the stream is damaged{how}: {summary.damaged} frames lost or doubtful", file=sys.stderr
        )


def _report(summary: "Summary", out: Path) -> None:
    seconds = summary.seconds["total"]
    print(
        f"{summary.frames} frames in {seconds:.1f} s ({summary.fps:.1f} fps): {summary.key_frames} key frames, "
        f"{summary.crops} regions, network cost {summary.network_cost:.3f}{_predicted(summary)} -> {out}"
    )


def _predicted(summary: "Summary") -> str:
    """What is predicted, where something was asked for."""
    if not summary.asked or summary.predicted_loss is None:
        return ""
    return f", predicted loss {summary.predicted_loss:.1f} points of mIoU"
