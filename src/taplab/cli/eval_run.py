"""What the commands of ``taplab eval`` share: their options and the run."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from taplab.cli import options
from taplab.cli.app import interruption_told
from taplab.cli.eval_report import print_scores
from taplab.cli.eval_usage import check_for_modes, check_without_paper
from taplab.cli.json_file import check_json, save_json
from taplab.cli.progress import progress_bar
from taplab.cli.usage import WITHOUT_RGC, on_command_line, the_dial
from taplab.errors import SettingError

if TYPE_CHECKING:
    from taplab.config import Config
    from taplab.data.clips import ClipSet
    from taplab.evaluation.trials import Draw, Encoding
    from taplab.evaluation.ways import Way
    from taplab.models.base import Model
    from taplab.policies import PaperSettings


@dataclass(frozen=True)
class RunOptions:
    """Options of every ``taplab eval`` command. written: names of those that stand on the command line."""

    codec: Annotated[str, typer.Option(help="mpeg4, h264, hevc, mpeg2video, …")] = "mpeg4"
    gop: Annotated[int, typer.Option(min=1, help="I-frames every so many frames.")] = 12
    quality: Annotated[float | None, typer.Option(help="Quantiser (MPEG-4: 3) or crf (H.264: 23).")] = None
    b_frames: Annotated[int, typer.Option(min=0, max=16, help="At most so many in a row; the paper has none.")] = 0
    model: options.Model = "bl2-camvid"
    modes: Annotated[
        str,
        typer.Option(
            help="Of per-frame, paper, live, offline; to compare also itp, flow:dis, flow:farneback, flow:net."
        ),
    ] = "per-frame,paper,live,offline"
    modules: options.ModulesByThreshold = None
    interval: Annotated[
        int | None, typer.Option(min=1, help="At most so many frames between key frames; as the GOP if not given.")
    ] = None
    budget: Annotated[
        float | None, typer.Option(help="Of live and offline: network cost at most; the interval follows the motion.")
    ] = None
    max_loss: Annotated[
        float | None,
        typer.Option(help="Of live and offline: points of mIoU, as with segment (--quality is the encoder's here)."),
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
    out: Annotated[Path, typer.Option("-o", "--out", parser=options.path, help="Folder for tables and figures.")] = (
        Path("out/paper")
    )
    rounds: Annotated[int, typer.Option(min=0, help="Of timing, on the first clip; 0 measures no speed.")] = 3
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the scores here.")] = None
    cache: Annotated[
        Path | None, typer.Option(help="Folder of encoded clips and counts, from which an interrupted run goes on.")
    ] = None
    alpha: options.Alpha = 0.6
    thr_rgc: options.ThrRgc = 30
    thr_rgfs: options.ThrRgfsIfAny = None
    region: options.Region = None
    stride: options.Stride = None
    edges: options.Edges = False
    motion: options.Motion = "auto"
    config: options.Config = None
    device: options.Device = "cpu"
    engine: options.Engine = None
    lanes: options.Lanes = None
    quiet: options.Quiet = False
    verbose: options.Verbose = False
    written: frozenset[str] = frozenset()


def with_run_options(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command all ``RunOptions``, which it gets as one argument ``options``."""
    shared, own = get_type_hints(RunOptions, include_extras=True), inspect.signature(command)
    hints = get_type_hints(command, include_extras=True)
    keyword = inspect.Parameter.KEYWORD_ONLY
    kept = [p.replace(kind=keyword, annotation=hints[name]) for name, p in own.parameters.items() if name != "options"]
    of_options = [f for f in fields(RunOptions) if f.name != "written"]
    added = [inspect.Parameter(f.name, keyword, default=f.default, annotation=shared[f.name]) for f in of_options]
    added.append(inspect.Parameter("ctx", keyword, annotation=typer.Context))

    @functools.wraps(command)
    def with_all(ctx: typer.Context, **given: Any) -> None:
        run_options = {f.name: given.pop(f.name) for f in of_options}
        with interruption_told(lambda: "the same command goes on from its cache"):
            command(**given, options=RunOptions(**run_options, written=on_command_line(ctx)))

    with_all.__signature__ = own.replace(parameters=[*kept, *added])  # type: ignore[attr-defined]
    with_all.__annotations__ = {p.name: p.annotation for p in (*kept, *added)}
    return with_all


def run(clips: "ClipSet", given: RunOptions) -> None:
    """Scores the modes on the clips, prints and saves; or makes the paper's tables and figures that were asked for."""
    if given.table or given.figure:
        from taplab.cli.eval_paper import reproduce

        reproduce(clips, given)
        return
    from taplab.data.check import check
    from taplab.data.mapping import in_classes_of
    from taplab.evaluation.bench import require_labels
    from taplab.evaluation.cache import Cache
    from taplab.evaluation.score import evaluate

    check_without_paper(given.written)
    ways, encoding, draw = _ways(given), encoding_of(given), draw_of(given)
    check_json(given.json_file)
    model = network(given.model, given, clips)
    if not model.takes_crops and any("rgc" in way.settings.modules for way in ways):
        raise SettingError(f"--modules: {model.name} cannot take regions of a frame; leave rgc out")
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
            encoding,
            draw,
            Cache(given.cache),
            rounds=given.rounds,
            lanes=given.lanes,
            progress=show,
        )
    require_labels(scores)
    if not given.quiet:
        other = _said(given).note(given.model)
        for note in (*clips.notes, *([f"{given.config}: {other}"] if other else [])):
            print(f"note: {note}")
        if notes:
            print(f"labels read as the model's classes: {'; '.join(notes)}")
        print_scores(scores)
    if given.json_file is not None:
        save_json([score.as_json() for score in scores], given.json_file)


def network(name: str, given: RunOptions, clips: "ClipSet") -> "Model":
    """The model ``name`` in ``--engine``; an engine that chooses itself does so now, before results depend on it."""
    from taplab import load_model

    model: Model = load_model(name, device=given.device, engine=given.engine)
    for clip in clips.clips[:1]:
        model.settle(clip.size)
    return model


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
        edges=given.edges,
        motion=given.motion,
    )


def _ways(given: RunOptions) -> "list[Way]":
    from taplab.evaluation.ways import Way
    from taplab.policies import Dial, make_policy, used

    said = _said(given)
    asked, there = the_dial(given.written, budget=given.budget, max_loss=given.max_loss)
    dial = Dial(relations=said.relations(given.model), **asked)
    settings = settings_of(given)
    ways = []
    for mode in options.modules(given.modes):
        of_mode = dial if mode in ("live", "offline") else Dial()
        cannot = mode in WITHOUT_RGC or (of_mode.asked and not of_mode.has_regions(mode))
        left_out = {"rgc"} if cannot else set()
        left_out |= {"rgfs"} if of_mode.asked else set()
        fitting = replace(settings, modules=tuple(m for m in settings.modules if m not in left_out))
        if of_mode.asked:
            fitting = replace(fitting, interval=given.interval or dial.interval)
        make_policy(mode, fitting, dial=of_mode)  # refuses what it does not know before any long work
        ways.append(Way(mode, used(fitting, mode, asked=bool(of_mode.asked)), of_mode))
    if not ways:
        raise SettingError("--modes: name at least one")
    check_for_modes(given.written, {way.mode: way.settings.modules for way in ways}, settings.modules)
    if there and not any(way.dial.asked for way in ways):
        raise SettingError(f"--modes {given.modes}: neither live nor offline is among them, to ask a budget or loss of")
    return ways


def _said(given: RunOptions) -> "Config":
    """What the file of settings says, if there is one."""
    from taplab.config import Config, read_config

    return read_config(given.config) if given.config else Config()


def encoding_of(given: RunOptions) -> "Encoding":
    """``--codec``, ``--gop`` and ``--quality``."""
    from taplab.evaluation.bench import quality_of
    from taplab.evaluation.trials import Encoding

    encoding = Encoding(given.codec, given.gop, given.quality, given.b_frames)
    return replace(encoding, quality=quality_of(encoding))


def draw_of(given: RunOptions) -> "Draw":
    """``--phases`` and ``--seed``."""
    from taplab.evaluation.trials import Draw

    if given.phases == "all":
        return Draw(given.gop, given.seed)
    if not given.phases.isdecimal() or int(given.phases) < 1:
        raise SettingError(f"--phases {given.phases}: write a number, or all")
    if int(given.phases) > given.gop:
        raise SettingError(
            f"--phases {given.phases}: a GOP of {given.gop} has {given.gop} positions; write that or all"
        )
    return Draw(int(given.phases), given.seed)
