"""What the commands of ``taplab eval`` share: their options, the run, the printed scores."""

import functools
import inspect
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from taplab.cli import options
from taplab.cli.progress import progress_bar
from taplab.errors import OutputError, SettingError

if TYPE_CHECKING:
    from taplab.data.clips import ClipSet
    from taplab.evaluation.score import Score
    from taplab.evaluation.trials import Draw
    from taplab.evaluation.ways import Way
    from taplab.policies import PaperSettings


@dataclass(frozen=True)
class RunOptions:
    """Options of every ``taplab eval`` command."""

    codec: Annotated[str, typer.Option(help="mpeg4, h264, hevc, mpeg2video, …")] = "mpeg4"
    gop: Annotated[int, typer.Option(min=1, help="I-frames every so many frames.")] = 12
    quality: Annotated[float | None, typer.Option(help="Quantiser (MPEG-4: 3) or crf (H.264: 23).")] = None
    model: options.Model = "bl2-camvid"
    modes: Annotated[
        str, typer.Option(help="Of per-frame, paper, offline; to compare also itp, flow:dis, flow:farneback, flow:net.")
    ] = "per-frame,paper,offline"
    modules: options.Modules = "ffw"
    interval: Annotated[
        int | None, typer.Option(min=1, help="At most so many frames between key frames; as the GOP if not given.")
    ] = None
    phases: Annotated[
        str, typer.Option(help="Positions of the key frames to average over: a number, or all (every distance).")
    ] = "1"
    seed: Annotated[
        int | None, typer.Option(help="Draws the first position (default: 0 for single labelled frames).")
    ] = None
    table: Annotated[
        list[str] | None, typer.Option(help="Of the paper, measured here: 2 to 8, a list with commas, or all.")
    ] = None
    figure: Annotated[list[str] | None, typer.Option(help="Of the paper: 1, 5 to 13, a list with commas, or all.")] = (
        None
    )
    models: Annotated[
        str | None,
        typer.Option(help="For tables and figures: bl1=NAME_OR_FILE,bl2=…,bl3=…; bl2 is --model if not here."),
    ] = None
    flow: Annotated[
        str | None,
        typer.Option(help="For Tables 3 and 5 and Figure 7: NAME of the mode flow:NAME.", show_default="net"),
    ] = None
    frame: Annotated[
        int | None, typer.Option(min=0, help="That pictures show; a labelled one far from its key frame if not given.")
    ] = None
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for tables and figures.")] = Path("out/paper")
    rounds: Annotated[int, typer.Option(min=0, help="Of timing, on the first clip; 0 measures no speed.")] = 3
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the scores here.")] = None
    cache: Annotated[
        Path | None, typer.Option(help="Folder of encoded clips and counts, from which an interrupted run goes on.")
    ] = None
    alpha: options.Alpha = 0.6
    thr_rgc: options.ThrRgc = 30
    thr_rgfs: options.ThrRgfs = "5.7"
    region: options.Region = None
    stride: options.Stride = None
    config: options.Config = None
    device: options.Device = "cpu"
    lanes: options.Lanes = None
    quiet: options.Quiet = False
    verbose: options.Verbose = False


def with_run_options(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command all ``RunOptions``, which it gets as one argument ``options``."""
    shared, own = get_type_hints(RunOptions, include_extras=True), inspect.signature(command)
    hints = get_type_hints(command, include_extras=True)
    keyword = inspect.Parameter.KEYWORD_ONLY
    kept = [p.replace(kind=keyword, annotation=hints[name]) for name, p in own.parameters.items() if name != "options"]
    added = [
        inspect.Parameter(f.name, keyword, default=f.default, annotation=shared[f.name]) for f in fields(RunOptions)
    ]

    @functools.wraps(command)
    def with_all(**given: Any) -> None:
        run_options = RunOptions(**{f.name: given.pop(f.name) for f in fields(RunOptions)})
        command(**given, options=run_options)

    with_all.__signature__ = own.replace(parameters=[*kept, *added])  # type: ignore[attr-defined]
    with_all.__annotations__ = {p.name: p.annotation for p in (*kept, *added)}
    return with_all


def run(clips: "ClipSet", given: RunOptions) -> None:
    """Scores the modes on the clips, prints and saves; or makes the paper's tables and figures that were asked for."""
    if given.table or given.figure:
        from taplab.cli.eval_paper import reproduce

        reproduce(clips, given)
        return
    from taplab import load_model
    from taplab.data.check import check
    from taplab.data.mapping import in_classes_of
    from taplab.evaluation.cache import Cache
    from taplab.evaluation.score import evaluate
    from taplab.evaluation.trials import Encoding

    ways = _ways(given)
    model = load_model(given.model, device=given.device)
    clips, notes = in_classes_of(clips, model.classes)
    check(clips)
    with progress_bar(f"score {model.name}", None, quiet=given.quiet, unit="clips/s") as bar:

        def show(done: int, total: int, what: str) -> None:
            bar.total(total)
            bar.reach(done, what)

        scores = evaluate(
            clips,
            model,
            ways,
            Encoding(given.codec, given.gop, given.quality),
            draw_of(given),
            Cache(given.cache),
            rounds=given.rounds,
            lanes=given.lanes,
            progress=show,
        )
    if not given.quiet:
        for note in clips.notes:
            print(f"note: {note}")
        if notes:
            print(f"labels read as the model's classes: {'; '.join(notes)}")
        print_scores(scores)
    if given.json_file is not None:
        save_json([score.as_json() for score in scores], given.json_file)


def settings_of(given: RunOptions) -> "PaperSettings":
    """What the options say of Algorithm 1."""
    from taplab.config import paper_settings

    return paper_settings(
        modules=given.modules,
        interval=given.interval or given.gop,
        alpha=given.alpha,
        thr_rgc=given.thr_rgc,
        thr_rgfs=given.thr_rgfs,
        region=given.region,
        stride=given.stride,
    )


def _ways(given: RunOptions) -> "list[Way]":
    from taplab.evaluation.ways import Way
    from taplab.policies import make_policy

    settings = settings_of(given)
    ways = []
    for mode in options.modules(given.modes):
        fitting = replace(settings, modules=tuple(m for m in settings.modules if m != "rgc" or mode != "offline"))
        make_policy(mode, fitting)  # refuses what it does not know before any long work
        ways.append(Way(mode, fitting))
    if not ways:
        raise SettingError("--modes: name at least one")
    return ways


def draw_of(given: RunOptions) -> "Draw":
    """``--phases`` and ``--seed``."""
    from taplab.evaluation.trials import Draw

    if given.phases == "all":
        return Draw(given.gop, given.seed)
    if not given.phases.isdigit() or int(given.phases) < 1:
        raise SettingError(f"--phases {given.phases}: write a number, or all")
    return Draw(int(given.phases), given.seed)


def print_scores(scores: "Sequence[Score]") -> None:
    """A table on stdout; speeds where they were measured."""
    timed = scores[0].fps == scores[0].fps  # not NaN
    title = f"{scores[0].data}, {scores[0].model}, {scores[0].codec}"
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, title=title)
    table.add_column("mode", min_width=24)
    for name in ("mIoU", "edges", "pixels", "steady", "cost", *(("fps", "net", "ratio") if timed else ())):
        table.add_column(name, justify="right", no_wrap=True)
    for s in scores:
        shares = [f"{100 * v:.1f}" for v in (s.miou, s.boundary_iou, s.pixel_accuracy, s.temporal_consistency)]
        speeds = [f"{v:.1f}" for v in (s.fps, s.network_fps, s.fps / scores[0].fps)] if timed else []
        table.add_row(s.title, *shares, f"{s.network_cost:.3f}", *speeds)
    Console().print(table)


def save_json(values: Any, path: Path) -> None:
    """Indented JSON. Raises OutputError."""
    try:
        path.write_text(json.dumps(values, indent=2) + "\n")
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error
