"""What is known of a network in a file, beside the network: inside the file, or in a TOML file of the same name."""

import json
import math
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from taplab.errors import ModelError

ABOUT = "taplab"  # under this name a file holds what is known of it, as JSON


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _are(fits: Callable[[Any], bool], count: int | None = None) -> Callable[[Any], bool]:
    """A list of values that fit, as many as ``count`` if it is given."""
    return lambda v: isinstance(v, list) and len(v) == (count or len(v)) and all(fits(item) for item in v)


def _is_level(value: Any) -> bool:
    return type(value) is int and 0 <= value <= 255


# What the TOML file may have: what fits, and what to write.
SETTINGS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "classes": (_are(lambda v: isinstance(v, str)), 'a list of names: classes = ["road", "car"]'),
    "mean": (_are(_is_number, 3), "three numbers, for red, green and blue"),
    "std": (_are(_is_number, 3), "three numbers, for red, green and blue"),
    "bgr": (lambda v: isinstance(v, bool), "true or false"),
    "palette": (_are(_are(_is_level, 3)), "a list of colours, 0 to 255: palette = [[128, 64, 128], [0, 0, 142]]"),
    "threshold": (_is_number, "a number"),
    "output": (lambda v: isinstance(v, str), 'the name of one: output = "scores"'),
    "multiple": (lambda v: type(v) is int and v > 0, "a whole number of pixels: multiple = 32"),
}


def said_in(text: str, path: Path) -> Mapping[str, Any]:
    """What ``taplab export`` wrote into the file."""
    try:
        about = json.loads(text) if text else {}
    except ValueError as error:
        raise ModelError(f"{path}: what it says of itself under {ABOUT!r} is not JSON; export it again") from error
    if not isinstance(about, dict):
        raise ModelError(f"{path}: what it says of itself under {ABOUT!r} is no table; export it again")
    return about


def settings_beside(path: Path) -> dict[str, Any]:
    """What the TOML file says. Raises ModelError."""
    beside = path.with_suffix(".toml")
    if not beside.is_file():
        return {}
    try:
        settings = tomllib.loads(beside.read_text("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{beside}: not a TOML file ({error})") from error
    if unknown := sorted(settings.keys() - SETTINGS.keys()):
        raise ModelError(f"{beside}: {unknown[0]!r} is none of {', '.join(SETTINGS)}")
    for name, value in settings.items():
        fits, remedy = SETTINGS[name]
        if not fits(value):
            raise ModelError(f"{beside}: {name} = {value!r}: write {remedy}")
    return settings
