"""Settings kept in a small TOML file: ``taplab calibrate`` writes the threshold, ``--config`` reads them all.

The keys are options of ``taplab segment``, with underscores, and so are the values::

    mode = "paper"
    modules = "ffw,rgc,rgfs"    # or a list of names
    interval = 12
    thr_rgfs = 5.73             # grey levels per pixel; the paper's raw sum is written "3.6e7sum"
    region = "512x512"          # rows x columns
    disagreement_offline = 2.4  # per cent of pixels for each grey level of mismatch; of live: disagreement_live
"""

import os
import re
import tomllib
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taplab.errors import OutputError, SettingError

if TYPE_CHECKING:
    from taplab.modules.rgfs import Unit
    from taplab.policies import PaperSettings, Relations

# Types of each key, and what to write there.
_ALLOWED: dict[str, tuple[tuple[type, ...], str]] = {
    "mode": ((str,), 'a mode such as "paper"'),
    "model": ((str,), 'what --model takes, such as "bl2-camvid"'),
    "modules": ((str, list), 'names such as "ffw,rgfs"'),
    "interval": ((int,), "a whole number of frames, at least 1"),
    "alpha": ((int, float), "a number from 0 to 1"),
    "thr_rgc": ((int,), "a whole number of grey levels, 0 to 254"),
    "thr_rgfs": ((int, float, str), 'grey levels per pixel such as 5.7, or "3.6e7sum"'),
    "region": ((str,), 'rows x columns such as "512x512"'),
    "stride": ((str,), 'rows x columns such as "256x256"'),
    "disagreement_offline": ((int, float), "per cent of pixels for each grey level, such as 2.4"),
    "disagreement_live": ((int, float), "per cent of pixels for each grey level, such as 2.4"),
}
_NOT_OF_THE_PAPER = ("mode", "model", "disagreement_offline", "disagreement_live")
# What heads the comment above a setting that taplab calibrate wrote.
_DISAGREEMENT = "# per cent of pixels that differ from per-frame for each grey level of mismatch, mode"
_CHOSEN = {
    "thr_rgfs": "# THR_RGFS in grey levels per pixel of luma, chosen by taplab calibrate",
    "disagreement_offline": f"{_DISAGREEMENT} offline",
    "disagreement_live": f"{_DISAGREEMENT} live",
}


@dataclass(frozen=True)
class Config:
    """What a file says, in the words of the command line; None where it says nothing.

    modules: names with commas between. thr_rgfs: a number, or one with "sum" behind it. region, stride: "HxW".
    """

    mode: str | None = None
    model: str | None = None
    modules: str | None = None
    interval: int | None = None
    alpha: float | None = None
    thr_rgc: int | None = None
    thr_rgfs: str | None = None
    region: str | None = None
    stride: str | None = None
    disagreement_offline: float | None = None
    disagreement_live: float | None = None

    def defaults(self) -> dict[str, Any]:
        """What is given, by the name of the option."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    def settings(self, **overrides: Any) -> "PaperSettings":
        """For ``Segmenter``; overrides are fields of ``Config`` and, unless None, win over it. Raises SettingError."""
        options = self.defaults() | {key: value for key, value in overrides.items() if value is not None}
        return paper_settings(**{key: value for key, value in options.items() if key not in _NOT_OF_THE_PAPER})

    def relations(self) -> "Relations":
        """What mismatch costs, as calibrated: for ``Segmenter``. Raises SettingError."""
        from taplab.policies import Relations

        known = Relations()
        calibrated = {"offline": self.disagreement_offline, "live": self.disagreement_live}
        return replace(
            known,
            **{
                mode: replace(getattr(known, mode), disagreement=value)
                for mode, value in calibrated.items()
                if value is not None
            },
        )


def read_config(path: str | Path) -> Config:
    """Reads a TOML file of settings.

    Raises SettingError, which names the file and the key, for a file that cannot be read or is no TOML, unknown keys,
    and values of another type or outside what is allowed.
    """
    from taplab.policies import make_policy  # brings torch along

    config = Config(**{key: _checked(path, key, value) for key, value in _read(Path(path)).items()})
    try:
        config.settings()
        config.relations()
        if config.mode is not None and ":" not in config.mode:  # what follows a colon may be costly to load
            make_policy(config.mode)
    except SettingError as error:
        raise SettingError(f"{path}: {error}") from error
    return config


def paper_settings(
    *,
    modules: str | None = None,
    interval: int | None = None,
    alpha: float | None = None,
    thr_rgc: int | None = None,
    thr_rgfs: str | None = None,
    region: str | None = None,
    stride: str | None = None,
) -> "PaperSettings":
    """Settings from options as they are written on the command line; None leaves the default. Raises SettingError.

    A threshold of RGFS without modules brings RGFS with it.
    """
    from taplab.policies import PaperSettings  # brings torch along

    given: dict[str, Any] = {"interval": interval, "alpha": alpha, "thr_rgc": thr_rgc}
    if modules is not None:
        given["modules"] = names(modules)
    elif thr_rgfs is not None:
        given["modules"] = ("ffw", "rgfs")
    if thr_rgfs is not None:
        given["thr_rgfs"], given["thr_rgfs_unit"] = _threshold(thr_rgfs)
    for name, sides in (("region", region), ("stride", stride)):
        given[name] = None if sides is None else rows_and_columns(name, sides)
    return PaperSettings(**{key: value for key, value in given.items() if value is not None})


def names(text: str) -> tuple[str, ...]:
    """ "ffw,rgc" to ("ffw", "rgc")."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _threshold(text: str) -> "tuple[float, Unit]":
    try:
        value = float(text.removesuffix("sum"))
    except ValueError as error:
        raise SettingError(f"thr_rgfs {text}: write a number such as 5.7, or 3.6e7sum") from error
    if value < 0:
        raise SettingError(f"thr_rgfs {text}: must be at least 0; no residual is less")
    return value, "sum" if text.endswith("sum") else "grey"


def rows_and_columns(name: str, text: str) -> tuple[int, int]:
    """ "512x1024" to (512, 1024). name: of the option, for the error. Raises SettingError."""
    sides = re.fullmatch(r"([1-9]\d{0,5})x([1-9]\d{0,5})", text)
    if sides is None:
        raise SettingError(f"{name} {text}: write rows x columns in pixels, such as 512x512")
    return int(sides[1]), int(sides[2])


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingError(f"{path}: cannot be read as settings ({error.strerror}); check the path") from error
    except ValueError as error:  # of the encoding too
        raise SettingError(f"{path}: is no TOML file of settings ({error})") from error


def _checked(path: str | Path, key: str, value: Any) -> Any:
    """The value in the words of the command line."""
    if key not in _ALLOWED:
        raise SettingError(f"{path}: unknown setting {key!r}; choose from {', '.join(_ALLOWED)}")
    types, wanted = _ALLOWED[key]
    fits = isinstance(value, types) and not isinstance(value, bool)
    if isinstance(value, list):
        fits = fits and all(isinstance(name, str) for name in value)
    if not fits or (key == "thr_rgc" and not 0 <= value <= 254):
        raise SettingError(f"{path}: {key} = {value!r}: write {wanted}")
    if isinstance(value, list):
        return ",".join(value)
    return str(value) if key == "thr_rgfs" else value


def write_threshold(path: Path, threshold: float, comment: list[str]) -> None:
    """Writes ``thr_rgfs``, grey levels per pixel; see ``write_setting``."""
    write_setting(path, "thr_rgfs", threshold, comment)


def write_setting(path: Path, key: str, value: float, comment: list[str]) -> None:
    """Writes a setting that was calibrated into a file of settings; what else is in it stays as it is.

    comment: where it came from, in lines above it; they replace those of an earlier calibration.
    Raises SettingError if the file is there and is none of settings, OutputError if it cannot be written.
    """
    text = ""
    if path.exists():
        read_config(path)
        text = path.read_text("utf-8")
    head = _CHOSEN[key]
    entry = "\n".join([head, *(f"# {line}" for line in comment), f"{key} = {value!r}\n"])
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
    target = path.resolve()  # a link stays a link
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        part.write_text(text, "utf-8")
        part.replace(target)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise OutputError(f"{path}: cannot be written ({error.strerror}); give another -o") from error
