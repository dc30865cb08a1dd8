"""``taplab segment``: a mask for every frame of a video."""

import sys
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from taplab.cli import options
from taplab.cli.app import app, interruption_told, reported
from taplab.cli.progress import progress_bar
from taplab.cli.usage import WITHOUT_RGC, check_mode, on_command_line, refuse, the_dial
from taplab.errors import MissingExtraError, SettingError
from taplab.words import counted

if TYPE_CHECKING:
    from taplab import Result, Segmentation, Summary
    from taplab.policies import Dial


@app.command(short_help="Segment every frame of a video.")
@reported
def segment(
    ctx: typer.Context,
    source: Annotated[
        str, typer.Argument(help="A video file, a URL that FFmpeg reads, a camera (camera:0), images, or -.")
    ],
    out: Annotated[
        Path, typer.Option("-o", "--out", parser=options.path, help="Folder for masks/, overlay.mp4, summary.json, …")
    ],
    model: options.Model = "bl2-camvid",
    mode: Annotated[
        str, typer.Option(help="auto (offline, for streams live), offline, live, paper, per-frame.")
    ] = "auto",
    modules: options.ModulesByThreshold = None,
    interval: options.DialInterval = None,
    budget: options.Budget = None,
    max_loss: options.MaxLoss = None,
    target_fps: options.TargetFps = None,
    alpha: options.Alpha = 0.6,
    thr_rgc: options.ThrRgc = 30,
    thr_rgfs: options.ThrRgfsIfAny = None,
    region: options.Region = None,
    stride: options.Stride = None,
    edges: options.Edges = False,
    motion: options.Motion = "auto",
    config: options.Config = None,
    save: Annotated[str, typer.Option(help="Any of overlay, masks, scores, coco, jsonl.")] = "overlay,masks",
    device: options.Device = "cpu",
    engine: options.Engine = None,
    lanes: options.Lanes = None,
    processes: options.Processes = 1,
    max_frames: options.MaxFrames = None,
    timeout: options.Timeout = 20.0,
    reconnect: options.Reconnect = 30.0,
    keep_all: options.KeepAll = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Segment every frame of SOURCE; the network runs on a few of them, the rest follow the stream's own motion."""
    from taplab import Segmenter, load_model
    from taplab.config import Config, paper_settings, read_config
    from taplab.policies import Dial, used
    from taplab.video.address import address_of

    _check_save(save)
    written, said = on_command_line(ctx), Config() if config is None else read_config(config)
    asked, there = the_dial(written, budget=budget, max_loss=max_loss, target_fps=target_fps)
    asked, notes = (asked, []) if there else _possible(asked, mode)
    dial = Dial(**asked)
    settings = paper_settings(
        modules=_fitting(modules, written, dial, mode),
        interval=interval,
        alpha=alpha,
        thr_rgc=thr_rgc,
        thr_rgfs=thr_rgfs,
        region=region,
        stride=stride,
        edges=edges,
        motion=motion,
    )
    address, chosen = address_of(source), dial.mode(mode)
    check_mode(written, "live" if chosen == "auto" and address.live else chosen, settings.modules, asked=bool(asked))
    if address.live:
        refuse(written, ("processes",), f"{source} is live: it comes frame by frame")
    if address.live is False:
        refuse(written, ("reconnect", "keep_all"), f"{source} is no live source")
    if not address.silent:
        refuse(written, ("timeout",), f"{source} is no URL or playlist that may keep silent")
    settings = used(settings, chosen, asked=bool(asked))
    network = load_model(model, device=device, engine=engine)
    if interval is None:
        settings = replace(settings, interval=dial.beside(network.follow_cost or 0.0).interval)
    segmenter = Segmenter(
        network,
        mode=mode,
        settings=settings,
        lanes=lanes,
        relations=said.relations(model),
        processes=processes,
        **asked,
    )
    segmenter.notes += [f"{config}: {note}" for note in (*notes, said.note(model)) if note]
    done = 0
    with progress_bar(Path(source).name or source, None, quiet=quiet) as bar:

        def on_frame(run: "Segmentation", result: "Result") -> None:
            bar.total(run.source.expected_frames)
            bar.advance(counted(run.counts.key_frames, "key frame"))
            nonlocal done
            done += 1
            if verbose:
                _describe(result)

        with interruption_told(lambda: f"{out} holds {counted(done, 'frame')}" if done else "no frame was done"):
            summary = segmenter.run(
                source,
                out,
                save=options.modules(save),
                max_frames=max_frames,
                timeout=timeout,
                reconnect=reconnect,
                keep_all=keep_all,
                on_frame=on_frame,
            )
    _warn(summary)
    if not quiet:
        _report(summary, out)


def _check_save(save: str) -> None:
    from taplab.output.saved import check_save

    try:
        check_save(options.modules(save))
    except MissingExtraError as error:
        raise SettingError(f"--save: {error}") from error


def _fitting(modules: str | None, written: Collection[str], dial: "Dial", mode: str) -> str | None:
    """Those of a file of settings serve other modes too: without rgc where it cannot run."""
    without = mode in WITHOUT_RGC or (dial.asked and not dial.has_regions(mode))
    if modules is None or "modules" in written or not without:
        return modules
    return ",".join(name for name in options.modules(modules) if name != "rgc")


def _possible(asked: dict[str, Any], mode: str) -> tuple[dict[str, Any], list[str]]:
    """The dial of a file of settings, which serves other modes too: where ``mode`` cannot turn it, a note instead."""
    from taplab.policies import Dial

    try:
        Dial(**asked).mode(mode)
    except SettingError as error:
        return {}, [f"not used: {error}"]
    return asked, []


def _describe(result: "Result") -> None:
    residual = "" if result.residual is None else f"  residual {result.residual:.2f}"
    damaged = "  DAMAGED" if result.damaged else ""
    print(f"{result.index:6d}  {result.kind}  {result.origin}{residual}{damaged}", file=sys.stderr)


def _warn(summary: "Summary") -> None:
    for note in summary.notes:
        print(f"taplab: note: {note}", file=sys.stderr)
    if summary.damaged:
        how = f" ({summary.broke_off})" if summary.broke_off else ""
        frames = counted(summary.damaged, "frame")
        print(f"taplab: warning: the stream is damaged{how}: {frames} lost or doubtful", file=sys.stderr)


def _report(summary: "Summary", out: Path) -> None:
    done = f"{counted(summary.frames, 'frame')} in {summary.seconds['total']:.1f} s ({summary.fps:.1f} fps)"
    work = f"{counted(summary.key_frames, 'key frame')}, {counted(summary.crops, 'region')}"
    print(f"{done}: {work}, network cost {summary.network_cost:.3f}{_predicted(summary)} -> {out}")


def _predicted(summary: "Summary") -> str:
    """What is predicted, where something was asked for."""
    if not summary.asked or summary.predicted_loss is None:
        return ""
    return f", predicted loss {summary.predicted_loss:.1f} points of mIoU"
