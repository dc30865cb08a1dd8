"""``taplab eval … --table N --figure N``: the paper's tables and figures, on whatever clips the command was given."""

import shlex
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taplab.cli.eval_options import RunOptions, draw_of, encoding_of, network, settings_of
from taplab.cli.eval_usage import check_for_paper
from taplab.cli.json_file import save_json
from taplab.cli.progress import Bar, progress_bar
from taplab.errors import SettingError
from taplab.files import writable

if TYPE_CHECKING:
    from taplab.data.clips import ClipSet
    from taplab.evaluation.bench import Bench, Subject
    from taplab.evaluation.figures import Sketch
    from taplab.evaluation.points import Plan
    from taplab.evaluation.setting import Setting
    from taplab.evaluation.tables import Table

_STANDARD = {"bl1": "bl1-camvid", "bl3": "bl3-camvid"}  # where bundled; bl2 is what --model says


def reproduce(clips: "ClipSet", given: RunOptions) -> None:
    """Measures what the asked tables and figures need, once; prints the tables and saves all."""
    from taplab.evaluation.figures import FIGURES, check_matplotlib
    from taplab.evaluation.setting import Setting
    from taplab.evaluation.tables import TABLES
    from taplab.output.folder import writable_folder

    numbers = _numbers(given.table, TABLES, "--table"), _numbers(given.figure, FIGURES, "--figure")
    tables, figures = [TABLES[n] for n in numbers[0]], [FIGURES[n] for n in numbers[1]]
    check_for_paper(given.written, *numbers)
    for figure in figures:
        check_matplotlib()
        if figure.timed and not given.rounds:
            raise SettingError(f"--rounds 0: figure {figure.number} shows speed; give at least 1, or leave it out")
    models = _models(given)
    plan = _plan(clips, given, models)
    out = writable_folder(given.out)
    made = [table(plan) for table in tables]
    curves = [figure for figure in figures if figure.points(plan)]
    pictures = [figure for figure in figures if not figure.points(plan)]
    with progress_bar("measure", None, quiet=given.quiet, unit="clips/s") as bar:
        bench = _bench(clips, given, _needed(made, curves, plan, models), bar)
        setting = Setting.of(bench, plan, shlex.join(["taplab", *sys.argv[1:]]))
        _save_figures(pictures, plan, bench, setting, given, out)  # first: they say at once if they cannot be made
        timed = [point for table in made for point in table.points]
        timed += [point for curve in curves if curve.timed for point in curve.points(plan)]
        bench.measure([point for curve in curves for point in curve.points(plan)], timed)
    _save_tables(made, bench, setting, out, quiet=given.quiet)
    _save_figures(curves, plan, bench, setting, given, out)


def _numbers(asked: list[str] | None, known: Mapping[int, Any], option: str) -> list[int]:
    """Of ``["2,5", "7"]`` or ``["all"]``, each once and in order."""
    wanted = [part.strip() for text in asked or () for part in text.split(",") if part.strip()]
    if asked and not wanted:
        raise SettingError(f"{option} {','.join(asked)!r}: name some of {', '.join(map(str, known))}; or write all")
    if "all" in wanted:
        return list(known)
    unknown = [part for part in wanted if not part.isdecimal() or int(part) not in known]
    if unknown:
        raise SettingError(f"{option} {unknown[0]}: there are {', '.join(map(str, known))}; or write all")
    return sorted({int(part) for part in wanted})


def _models(given: RunOptions) -> dict[str, str]:
    """What stands for the paper's networks: bundled ones, --model, and what --models says."""
    from taplab.evaluation.points import NETWORKS
    from taplab.models.bundled import bundled

    models = {key: name for key, name in _STANDARD.items() if name in bundled()} | {"bl2": given.model}
    for part in filter(None, (part.strip() for part in (given.models or "").split(","))):
        key, _, name = part.partition("=")
        if key not in NETWORKS or not name:
            raise SettingError(f"--models {part}: write {', '.join(f'{k}=NAME' for k in NETWORKS)}")
        models[key] = name
    return {key: models[key] for key in NETWORKS if key in models}


def _plan(clips: "ClipSet", given: RunOptions, models: Mapping[str, str]) -> "Plan":
    from taplab.evaluation.points import FFW, Plan
    from taplab.policies import make_policy

    if not clips.clips:
        raise SettingError(f"{clips.name}: no clips")
    settings = replace(settings_of(given), modules=FFW)
    if given.flow is not None:
        make_policy(f"flow:{given.flow}", settings)  # refuses what it does not know
    size = clips.clips[0].size
    return Plan(size, given.gop, settings, given.flow or "net", tuple(models))


def _needed(
    tables: "Iterable[Table]", figures: "Iterable[Sketch]", plan: "Plan", models: Mapping[str, str]
) -> dict[str, str]:
    """The networks that occur; pictures are made with BL2."""
    points = [p for table in tables for p in table.points] + [p for figure in figures for p in figure.points(plan)]
    used = {"bl2", *(point.network for point in points)}
    return {key: name for key, name in models.items() if key in used}


def _bench(clips: "ClipSet", given: RunOptions, models: Mapping[str, str], bar: Bar) -> "Bench":
    from taplab.evaluation.bench import Bench
    from taplab.evaluation.cache import Cache

    def show(done: int, total: int, what: str) -> None:
        bar.total(total)
        bar.reach(done, what)

    subjects = {key: _subject(clips, name, given) for key, name in models.items()}
    how: dict[str, Any] = {"rounds": given.rounds, "lanes": given.lanes, "progress": show}
    return Bench(subjects, encoding_of(given), draw_of(given), Cache(given.cache), **how)


def _subject(clips: "ClipSet", name: str, given: RunOptions) -> "Subject":
    from taplab.data.check import check
    from taplab.data.mapping import in_classes_of
    from taplab.evaluation.bench import Subject

    model = network(name, given, clips)
    mapped, notes = in_classes_of(clips, model.classes)
    check(mapped)
    return Subject(model, mapped, tuple(notes), _about(name))


def _about(name: str) -> str:
    """Architecture, width and origin, of weights that taplab saved."""
    from taplab.models.bundled import bundled, weights_of
    from taplab.models.pretrained import read_card

    file = weights_of(name)
    if file is None:
        return ""
    card = read_card(file)
    origin = card.origin or ("bundled" if name in bundled() else "origin unknown")
    return f"{card.architecture.upper()} x{card.width:g}, {origin}"


def _save_tables(tables: "Iterable[Table]", bench: "Bench", setting: "Setting", out: Path, *, quiet: bool) -> None:
    from taplab.evaluation.tables import as_json, as_markdown

    for table in tables:
        text, file = as_markdown(table, bench, setting), out / f"table-{table.number}.md"
        with writable(file):
            file.write_text(text, "utf-8")
        save_json(as_json(table, bench, setting), file.with_suffix(".json"))
        if not quiet:
            print(text)


def _save_figures(
    figures: "Iterable[Sketch]", plan: "Plan", bench: "Bench", setting: "Setting", given: RunOptions, out: Path
) -> None:
    from taplab.evaluation.figures import draw, title

    for sketch in figures:
        files = draw(sketch, plan, bench, setting, out, given.frame)
        if not given.quiet:
            print(f"Figure {sketch.number}: {title(sketch, setting)} -> {', '.join(map(str, files))}")
