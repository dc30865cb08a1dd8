"""What ``taplab calibrate`` chose, written into a TOML file of settings (``config``) that may hold others."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

from taplab.config import read_config
from taplab.errors import SettingError
from taplab.files import whole, writable

# What heads the comment above a setting that was chosen.
_DISAGREEMENT = "# per cent of pixels that differ from per-frame for each grey level of mismatch, mode"
_CHOSEN = {
    "thr_rgfs": "# THR_RGFS in grey levels per pixel of luma, chosen by taplab calibrate",
    "disagreement_offline": f"{_DISAGREEMENT} offline",
    "disagreement_live": f"{_DISAGREEMENT} live",
    "disagreement_model": "# the network of which they hold, and a hash of its weights",
}


def write_threshold(path: Path, threshold: float, comment: list[str]) -> None:
    """Writes ``thr_rgfs``, grey levels per pixel; see ``write_setting``."""
    write_setting(path, "thr_rgfs", threshold, comment)


def write_setting(path: Path, key: str, value: float | str, comment: list[str]) -> None:
    """Writes a setting that was calibrated into a file of settings; what else is in it stays as it is.

    comment: where it came from, in lines above it; they replace those of an earlier calibration.
    Raises SettingError if the file is there and is none of settings, OutputError if it cannot be written.
    """
    text = ""
    if path.exists():
        read_config(path)
        text = path.read_text("utf-8-sig")
    head = _CHOSEN[key]
    entry = "\n".join([head, *(f"# {line}" for line in comment), f"{key} = {json.dumps(value, ensure_ascii=False)}\n"])
    found_entry = re.compile(rf"^(?:{re.escape(head)}.*\n(?:#.*\n)*)?[ \t]*{key}\s*=.*(?:\n|\Z)", re.MULTILINE)
    new, found = found_entry.subn(lambda _: entry, text)
    if not found:
        new = f"{text.rstrip()}\n\n{entry}".lstrip()
    if _parsed(new) != {**tomllib.loads(text), key: value}:
        raise SettingError(f"{path}: write {key} on a line of its own there, or give another -o")
    _replace(path, new)


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


def _replace(path: Path, text: str) -> None:
    """All or nothing: the settings that were there survive a full disk."""
    with writable(path, "give another -o"), whole(path.resolve()) as part:  # a link stays a link
        part.write_text(text, "utf-8")
