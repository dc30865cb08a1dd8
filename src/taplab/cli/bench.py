"""``taplab bench``: how fast it is here, beside the network on every frame and beside plain decoding."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from taplab.cli import options
from taplab.cli.app import app, reported
from taplab.cli.bench_report import print_speeds
from taplab.cli.json_file import check_json, save_json
from taplab.cli.progress import progress_bar
from taplab.cli.usage import on_command_line, refuse
from taplab.errors import SettingError
from taplab.interrupt import exit_status

if TYPE_CHECKING:
    from taplab import SyntheticDrive
    from taplab.evaluation.ways import Way
    from taplab.models.base import Model

BEST_QUALITY = 1.0  # points of mIoU that the mode "best" may lose, as predicted
SIZE, CODEC, SEED = "1024x2048", "mpeg4", 3  # of the drive where no source is given


@app.command(short_help="Measure speed on this machine.")
@reported
def bench(
    ctx: typer.Context,
    source: Annotated[
        str | None, typer.Argument(help="A video file or a folder of images; without it a synthetic drive.")
    ] = None,
    size: Annotated[
        str | None, typer.Option(metavar="HxW", help="Rows x columns of the drive.", show_default=SIZE)
    ] = None,
    codec: Annotated[str | None, typer.Option(help="Of the drive: mpeg4, h264, hevc, …", show_default=CODEC)] = None,
    max_frames: Annotated[int, typer.Option("--max-frames", help="So many frames, from the first on.")] = 48,
    model: options.Model = "bl2-camvid",
    modes: Annotated[
        str,
        typer.Option(
            help=f"Beside per-frame: paper, live, offline, itp, flow:NAME, and best: offline with --quality "
            f"{BEST_QUALITY:g}."
        ),
    ] = "paper,live,offline,best",
    modules: options.Modules = "ffw",
    interval: Annotated[str, typer.Option(help="Frames between key frames; several separated by commas.")] = "12",
    rounds: Annotated[int, typer.Option(help="Runs of each mode, in turn; the median counts.")] = 3,
    lanes: Annotated[
        int | None, typer.Option(help="Groups of frames worked on in parallel, which share network calls.")
    ] = None,
    processes: Annotated[
        int, typer.Option(help="Also measure each mode with this many processes that share the file.")
    ] = 1,
    save: Annotated[str, typer.Option(help="Also write files: overlay, masks, scores, coco, jsonl.")] = "",
    device: options.Device = "cpu",
    engine: options.Engine = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write everything measured to this file.")] = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Measure speed in one run: plain decoding, the network on every frame, and the modes, split into their stages."""
    _check_counts(max_frames, rounds, lanes, processes)
    if not {*options.modules(modes)} - {"best", "per-frame"}:
        refuse(on_command_line(ctx), ("interval", "modules"), f"means nothing to --modes {modes}")
    ways, saved = _in_processes(_ways(modes, modules, interval), processes), _saved(save)
    drive, codec = _drive(source, size, codec, max_frames), codec or CODEC
    _check_sharing(source, codec, processes)
    check_json(json_file)
    from taplab import load_model
    from taplab.evaluation.speed import measure

    network = load_model(model, device=device, engine=engine)
    with tempfile.TemporaryDirectory(prefix="taplab-bench-") as folder:
        clip = source if drive is None else _encoded(drive, Path(folder), codec, quiet)
        assert clip is not None  # there is a source or a drive
        about = _about(clip, source, network, device)
        with _progress(len(ways), rounds, quiet) as done:
            speeds = measure(clip, network, ways, frames=max_frames, rounds=rounds, lanes=lanes, save=saved, done=done)
    about |= {"rounds": speeds.rounds, "lanes": lanes, "saved": list(saved), "date": date.today().isoformat()}
    if not quiet:
        print_speeds(speeds, about)
    if json_file is not None:
        save_json(asdict(speeds) | about, json_file)
    if speeds.rounds < rounds:
        print(f"taplab: interrupted; {speeds.rounds} of {rounds} rounds were measured", file=sys.stderr)
        raise typer.Exit(exit_status())


def _check_counts(max_frames: int, rounds: int, lanes: int | None, processes: int) -> None:
    if max_frames < 1:
        raise SettingError(f"max-frames {max_frames}: must be at least 1")
    if rounds < 1:
        raise SettingError(f"rounds {rounds}: must be at least 1")
    if lanes is not None and lanes < 1:
        raise SettingError(f"lanes {lanes}: must be at least 1")
    if processes < 1:
        raise SettingError(f"processes {processes}: must be at least 1")


def _saved(save: str) -> tuple[str, ...]:
    from taplab.output.saved import check_save

    wanted = options.modules(save)
    check_save(wanted)
    return wanted


def _ways(modes: str, modules: str, interval: str) -> "list[Way]":
    """Per-frame, then every mode at every interval. Raises SettingError for what cannot be."""
    from taplab.config import paper_settings
    from taplab.evaluation.ways import Way
    from taplab.policies import Dial, make_policy

    best = Way("offline", dial=Dial(quality=BEST_QUALITY))
    settings = [paper_settings(modules=modules, interval=every) for every in _intervals(interval)]
    ways = {"per-frame": Way("per-frame", settings[0])}
    for mode in options.modules(modes):
        if mode == "best":
            found = [replace(best, settings=replace(settings[0], interval=best.dial.interval))]
        else:
            found = [Way(mode, each) for each in settings]
        for way in found:
            make_policy(way.mode, way.settings, dial=way.dial)  # refuses what it does not know
            ways.setdefault(way.title, way)
    return list(ways.values())


def _check_sharing(source: str | None, codec: str, processes: int) -> None:
    from taplab.video import Video, open_video
    from taplab.video.codec import CODECS_WITH_VECTORS

    if processes == 1:
        return
    if source is None:
        shared = codec in CODECS_WITH_VECTORS
    else:
        video = open_video(source)
        shared = isinstance(video, Video) and video.is_divisible
        video.close()
    if not shared:
        raise SettingError(f"processes {processes}: {source or codec} is no file that they can share; leave it out")


def _in_processes(ways: "list[Way]", processes: int) -> "list[Way]":
    return ways if processes == 1 else [replace(way, processes=n) for way in ways for n in (1, processes)]


def _intervals(text: str) -> list[int]:
    try:
        found = [int(part) for part in options.modules(text)]
    except ValueError:
        found = []
    if not found or min(found) < 1:
        raise SettingError(f"interval {text}: write numbers of frames, at least 1, such as 12 or 6,12")
    return found


def _drive(source: str | None, size: str | None, codec: str | None, frames: int) -> "SyntheticDrive | None":
    """What is measured where no source is given. Raises SettingError, and SourceError if the source is not there."""
    from taplab import SyntheticDrive
    from taplab.config import rows_and_columns
    from taplab.evaluation.bench import quality_of
    from taplab.evaluation.trials import Encoding

    if source is None:
        quality_of(Encoding(codec or CODEC))
        return SyntheticDrive(*rows_and_columns("size", size or SIZE), frames, SEED)
    for name, given in (("size", size), ("codec", codec)):
        if given is not None:
            raise SettingError(f"{name} {given}: is that of the synthetic drive; leave it out, or leave out {source}")
    _check_source(source)
    return None


def _check_source(source: str) -> None:
    from taplab.video import open_video
    from taplab.video.address import address_of

    if address_of(source).live:
        raise SettingError(f"{source}: a live stream sets its own pace; give a file")
    if source == "-":
        raise SettingError("-: standard input can be read once, and every mode reads it anew; give a file")
    open_video(source).close()


def _encoded(drive: "SyntheticDrive", folder: Path, codec: str, quiet: bool) -> str:
    from taplab.video.encode import encode_clip

    with progress_bar("render the drive", len(drive), quiet=quiet) as bar:

        def drawn() -> Iterator[Any]:
            for rgb, _ in drive:
                yield rgb
                bar.advance()

        return str(encode_clip(folder / "drive.mp4", drawn(), codec=codec, fps=drive.fps))


def _about(clip: str, source: str | None, network: "Model", device: str) -> dict[str, Any]:
    """What is measured on what. After it an engine that chooses itself is chosen, and named."""
    from contextlib import closing

    from taplab.machine import hardware, versions
    from taplab.video import open_video

    with closing(open_video(clip)) as video:
        facts = {"codec": video.codec, "height": video.height, "width": video.width}
        network.settle((video.height, video.width))
    named = f"synthetic drive, seed {SEED}" if source is None else source
    return {
        "source": named,
        **facts,
        "model": network.name,
        "device": device,
        "hardware": hardware(device),
        "versions": versions(),
    }


@contextmanager
def _progress(ways: int, rounds: int, quiet: bool) -> "Iterator[Any]":
    with progress_bar("measure", ways + rounds * (ways + 1), quiet=quiet, unit="runs/s") as bar:
        yield bar.advance
