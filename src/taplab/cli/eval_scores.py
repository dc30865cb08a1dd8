"""Scores of modes on labelled clips, printed and saved: ``taplab eval`` without tables and figures."""

from dataclasses import replace
from typing import TYPE_CHECKING

from taplab.cli import options
from taplab.cli.eval_options import RunOptions, draw_of, encoding_of, network, settings_of
from taplab.cli.eval_report import print_scores
from taplab.cli.eval_usage import check_for_modes, check_without_paper
from taplab.cli.json_file import check_json, save_json
from taplab.cli.progress import progress_bar
from taplab.cli.usage import WITHOUT_RGC, the_dial
from taplab.errors import SettingError

if TYPE_CHECKING:
    from taplab.config import Config
    from taplab.data.clips import ClipSet
    from taplab.evaluation.ways import Way


def score_modes(clips: "ClipSet", given: RunOptions) -> None:
    """Scores the modes on the clips, prints and saves."""
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
