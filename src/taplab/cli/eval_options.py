"""What the commands of ``taplab eval`` share: their options, and what these say."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from taplab.cli import options
from taplab.cli.app import interruption_told
from taplab.cli.usage import on_command_line
from taplab.errors import SettingError

if TYPE_CHECKING:
    from taplab.data.clips import ClipSet
    from taplab.evaluation.trials import Draw, Encoding
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
