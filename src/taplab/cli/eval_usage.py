"""Options of ``taplab eval`` that mean nothing to what is asked for: refused, not ignored."""

from collections.abc import Collection, Mapping, Sequence

from taplab.cli.usage import flag, refuse, refuse_without_modules
from taplab.errors import SettingError

_FOR_PAPER = ("models", "flow", "frame", "out")  # what only --table and --figure make use of
_NOT_FOR_PAPER = {
    "modes": "tables and figures choose the modes themselves",
    "modules": "tables and figures choose the modules themselves",
    "interval": "tables and figures keep to the GOP, which is --gop",
    "budget": "tables and figures keep to the GOP, which is --gop",
    "max_loss": "tables and figures keep to the GOP, which is --gop",
    "edges": "tables and figures are those of the paper, which has none",
    "motion": "tables and figures are those of the paper, which takes the codec's",
    "json_file": "each table and figure is saved as JSON too, in the folder of -o",
}
# Tables and figures that make use of an option; the others go through values of their own, or need none.
_REGION = ((5, 6, 7, 8), (1, 8, 9, 11, 12, 13))
_TAKEN_BY: dict[str, tuple[Sequence[int], Sequence[int]]] = {
    "gop": ((2, 3, 4, 5, 7, 8), (1, 5, 6, 7, 9, 10, 11, 12, 13)),
    "flow": ((3, 5), (7,)),
    "frame": ((), (5, 6, 7, 9, 10, 12, 13)),
    "alpha": ((4, 5, 6, 7, 8), (1, 8, 9, 12, 13)),
    "region": _REGION,
    "stride": _REGION,
}


def check_without_paper(written: Collection[str]) -> None:
    """Scores of modes are asked for, with the options in ``written``, by name. Raises SettingError."""
    for option in _FOR_PAPER:
        if option in written:
            raise SettingError(f"{flag(option)}: only --table and --figure make use of it; leave it out")


def check_for_modes(written: Collection[str], modules: Mapping[str, Sequence[str]], wanted: Sequence[str] = ()) -> None:
    """Raises SettingError for options that none of the modes makes use of.

    modules: those that run, of every mode. wanted: those that were asked for.
    """
    from taplab.policies.unused import follows_motion

    if set(modules) == {"per-frame"}:
        refuse(written, ("interval", "modules"), "mode per-frame runs the network on every frame")
        refuse(written, ("edges", "motion"), "mode per-frame gives what the network says")
    if not any(map(follows_motion, modules)):
        refuse(written, ("motion",), "none of these modes follows the stream's motion")
    running = {name for mode in modules.keys() - {"per-frame"} for name in modules[mode]}
    for name in wanted:
        if name not in running:
            refuse(written, ("modules",), f"{name} runs in none of these modes, with what is asked of them")
    refuse_without_modules(written, running)


def check_for_paper(written: Collection[str], tables: Collection[int], figures: Collection[int]) -> None:
    """Tables and figures are asked for. Raises SettingError."""
    for option, reason in _NOT_FOR_PAPER.items():
        if option in written:
            raise SettingError(f"{flag(option)}: {reason}; leave it out")
    for option, (of_tables, of_figures) in _TAKEN_BY.items():
        if option in written and not {*of_tables} & {*tables} and not {*of_figures} & {*figures}:
            raise SettingError(f"{flag(option)}: {_named(of_tables, of_figures)} make use of it; leave it out here")


def _named(tables: Sequence[int], figures: Sequence[int]) -> str:
    kinds = [("table", tables), ("figure", figures)]
    return " and ".join(f"--{kind} {','.join(map(str, numbers))}" for kind, numbers in kinds if numbers)
