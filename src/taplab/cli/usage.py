"""Options that mean nothing to what is asked for: refused where they stand on the command line, not ignored.

What a file of settings says is for whatever makes use of it, so it is left out in silence where nothing does.
"""

from collections.abc import Collection
from typing import Any

import typer

from taplab.errors import SettingError

_FLAGS = {"json_file": "json"}  # where the option is called otherwise than the field
_KEYWORDS = {"max_loss": "quality"}
WITHOUT_RGC = ("itp", "offline")  # modes that have no such module
_OF_RGC = ("alpha", "thr_rgc", "region", "stride")


def on_command_line(ctx: typer.Context) -> frozenset[str]:
    """Names of the options that were given there, and not in a file of settings."""
    sources = {name: ctx.get_parameter_source(name) for name in ctx.params}
    return frozenset(name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE")


def flag(option: str) -> str:
    """As it is written: "--max-loss" for max_loss."""
    return "--" + _FLAGS.get(option, option).replace("_", "-")


def refuse(written: Collection[str], options: Collection[str], reason: str) -> None:
    """Raises SettingError if one of ``options`` stands on the command line."""
    for option in options:
        if option in written:
            raise SettingError(f"{flag(option)}: {reason}; leave it out")


def refuse_without_modules(written: Collection[str], modules: Collection[str]) -> None:
    """Options of RGC and RGFS where these are not among the modules that run. Raises SettingError."""
    if "rgc" not in modules:
        refuse(
            written,
            _OF_RGC,
            "needs rgc, which does not run here: name it in --modules ffw,rgc, with mode paper or live",
        )
    if "rgfs" not in modules:
        refuse(written, ("thr_rgfs",), "needs rgfs, which does not run here: name it in --modules ffw,rgfs")


def the_dial(written: Collection[str], **said: float | None) -> tuple[dict[str, Any], bool]:
    """What is asked for, on the command line or else in a file of settings, and whether it stands on the command line.

    said: by option. The result is by the keywords of ``Segmenter``.
    """
    asked = {name: value for name, value in said.items() if value is not None}
    there = {name: value for name, value in asked.items() if name in written}
    return {_KEYWORDS.get(name, name): value for name, value in (there or asked).items()}, bool(there)


def check_mode(written: Collection[str], mode: str, modules: Collection[str], *, asked: bool) -> None:
    """Options of ``segment`` that ``mode`` makes no use of. asked: there is a dial. Raises SettingError."""
    from taplab.policies.unused import follows_motion

    if mode == "per-frame":
        refuse(written, ("modules", "interval", *_OF_RGC, "thr_rgfs"), "mode per-frame runs the network on every frame")
        refuse(written, ("edges", "motion"), "mode per-frame gives what the network says")
    if not follows_motion(mode):
        refuse(written, ("motion",), f"mode {mode} does not follow the stream's motion")
    if mode == "live":
        refuse(written, ("lanes",), "mode live, that of streams, answers one frame after another")
        refuse(written, ("alpha", "thr_rgc"), "mode live, that of streams, chooses and blends regions in its own way")
    if asked and "rgfs" in modules:
        dial = "with --budget, --quality or --target-fps key frames are chosen by the motion, not by rgfs"
        refuse(written, ("thr_rgfs", "modules"), dial)
    refuse_without_modules(written, modules)
