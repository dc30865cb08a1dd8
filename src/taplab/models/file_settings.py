"""What is known of a network in a file, beside the network: inside the file, or in a TOML file of the same name."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from taplab.errors import ModelError

ABOUT = "taplab"  # under this name a file holds what is known of it, as JSON
SETTINGS = ("classes", "mean", "std", "bgr", "palette", "threshold")  # that the TOML file may have


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
        settings = tomllib.loads(beside.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{beside}: not a TOML file ({error})") from error
    if unknown := sorted(settings.keys() - set(SETTINGS)):
        raise ModelError(f"{beside}: {unknown[0]!r} is none of {', '.join(SETTINGS)}")
    if not isinstance(settings.get("classes", []), list):
        raise ModelError(f"{beside}: write classes as a list of names")
    return settings


def number(name: str, value: Any) -> float | None:
    """A number or None. Raises ModelError."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise ModelError(f"{name} = {value!r}: write a number")
    return value
