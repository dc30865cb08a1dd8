"""Settings kept in a small TOML file: ``taplab calibrate`` writes the threshold, ``--config`` reads them all.

The keys are options of ``taplab segment``, with underscores, and so are the values::

    mode = "paper"
    modules = "ffw,rgc,rgfs"    # or a list of names
    interval = 12
    thr_rgfs = 5.73             # grey levels per pixel; the paper's raw sum is written "3.6e7sum"
    region = "512x512"          # rows x columns
    edges = true
    motion = "refined"          # or "codec"
    budget = 0.1                # or max_loss = 1.0 (also written quality), or target_fps = 25
    disagreement_offline = 2.4  # per cent of pixels for each grey level of mismatch; of live: disagreement_live
    disagreement_model = "bl2-camvid 5f0c1a2b3d4e"  # of which network: another one does without them
"""

import hashlib
import re
import tomllib
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taplab.errors import SettingError
from taplab.words import name_list

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
    "edges": ((bool,), "true or false"),
    "motion": ((str,), '"codec" or "refined"'),
    "budget": ((int, float), "a network cost such as 0.1"),
    "max_loss": ((int, float), "points of mIoU such as 1.0"),
    "target_fps": ((int, float), "frames a second, such as 25"),
    "disagreement_offline": ((int, float), "per cent of pixels for each grey level, such as 2.4"),
    "disagreement_live": ((int, float), "per cent of pixels for each grey level, such as 2.4"),
    "disagreement_model": ((str,), "what taplab calibrate --agreement wrote"),
}
_OF_THE_PAPER = ("modules", "interval", "alpha", "thr_rgc", "thr_rgfs", "region", "stride", "edges", "motion")
_ALSO_CALLED = {"quality": "max_loss"}  # as options of segment are


@dataclass(frozen=True)
class Config:
    """What a file says, in the words of the command line; None where it says nothing.

    modules: names with commas between. thr_rgfs: a number, or one with "sum" behind it. region, stride: "HxW".
    disagreement_model: name and ``digest`` of the network that the disagreement is of; None takes it for any.
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
    edges: bool | None = None
    motion: str | None = None
    budget: float | None = None
    max_loss: float | None = None
    target_fps: float | None = None
    disagreement_offline: float | None = None
    disagreement_live: float | None = None
    disagreement_model: str | None = None

    def defaults(self) -> dict[str, Any]:
        """What is given, by the name of the option."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    def settings(self, **overrides: Any) -> "PaperSettings":
        """For ``Segmenter``; overrides are fields of ``Config`` and, unless None, win over it. Raises SettingError."""
        options = self.defaults() | {key: value for key, value in overrides.items() if value is not None}
        return paper_settings(**{key: value for key, value in options.items() if key in _OF_THE_PAPER})

    def asked(self) -> dict[str, Any]:
        """What is asked for, by the keywords of ``Segmenter``."""
        values = {"budget": self.budget, "quality": self.max_loss, "target_fps": self.target_fps}
        return {name: value for name, value in values.items() if value is not None}

    def relations(self, model: str | Path | None = None) -> "Relations":
        """What mismatch costs, as calibrated: for ``Segmenter``. Raises SettingError.

        model: that it is for, as given to ``load_model``. Where ``note`` says that another was measured, the relations
        are those without calibration.
        """
        from taplab.policies import Relations

        known = Relations()
        if model is not None and self.note(model) is not None:
            return known
        calibrated = {"offline": self.disagreement_offline, "live": self.disagreement_live}
        return replace(
            known,
            **{
                mode: replace(getattr(known, mode), disagreement=value)
                for mode, value in calibrated.items()
                if value is not None
            },
        )

    def note(self, model: str | Path) -> str | None:
        """Why the disagreement is of no use for ``model``, as given to ``load_model``; None where it is."""
        said, none = self.disagreement_model, self.disagreement_offline is None and self.disagreement_live is None
        if said is None or none or said == str(model) or said.endswith(f" {digest(model)}"):
            return None
        name = said.rpartition(" ")[0] or said
        what = f"other weights of {name}" if name == str(model) else f"{name}, not with {model}"
        return (
            f"disagreement_* was measured with {what}, and is not used; "
            f"measure it with taplab calibrate CLIP --agreement --model {model} -o FILE"
        )


def digest(model: str | Path) -> str:
    """12 digits that tell networks apart: of the weights file that ``model`` stands for, else of the name itself."""
    from taplab.models.bundled import weights_of

    file = weights_of(str(model)) or Path(str(model).partition(":")[2] or model)
    file = file.with_suffix(".bin") if file.suffix == ".xml" else file  # where OpenVINO keeps them
    content = file.read_bytes() if file.is_file() else str(model).encode()
    return hashlib.sha256(content).hexdigest()[:12]


def read_config(path: str | Path) -> Config:
    """Reads a TOML file of settings.

    Raises SettingError, which names the file and the key, for a file that cannot be read or is no TOML, unknown keys,
    and values of another type or outside what is allowed.
    """
    from taplab.policies import Dial, make_policy  # brings torch along

    values = _read(Path(path))
    for other, key in _ALSO_CALLED.items():
        if other in values and key in values:
            raise SettingError(f"{path}: {other} and {key} are the same setting; write one of them")
    config = Config(**{_ALSO_CALLED.get(key, key): _checked(path, key, value) for key, value in values.items()})
    try:
        config.settings()
        config.relations()
        Dial(**config.asked())
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
    edges: bool | None = None,
    motion: str | None = None,
) -> "PaperSettings":
    """Settings from options as they are written on the command line; None leaves the default. Raises SettingError.

    A threshold of RGFS without modules brings RGFS with it.
    """
    from taplab.policies import PaperSettings  # brings torch along

    given: dict[str, Any] = {"interval": interval, "alpha": alpha, "thr_rgc": thr_rgc}
    given |= {"edges": edges, "motion": motion}
    if modules is not None:
        given["modules"] = name_list(modules)
    elif thr_rgfs is not None:
        given["modules"] = ("ffw", "rgfs")
    if thr_rgfs is not None:
        given["thr_rgfs"], given["thr_rgfs_unit"] = _threshold(thr_rgfs)
    for name, sides in (("region", region), ("stride", stride)):
        given[name] = None if sides is None else rows_and_columns(name, sides)
    return PaperSettings(**{key: value for key, value in given.items() if value is not None})


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
        return tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise SettingError(f"{path}: cannot be read as settings ({error.strerror}); check the path") from error
    except ValueError as error:  # of the encoding too
        raise SettingError(f"{path}: is no TOML file of settings ({error})") from error


def _checked(path: str | Path, key: str, value: Any) -> Any:
    """The value in the words of the command line."""
    if _ALSO_CALLED.get(key, key) not in _ALLOWED:
        raise SettingError(f"{path}: unknown setting {key!r}; choose from {', '.join(_ALLOWED)}")
    types, wanted = _ALLOWED[_ALSO_CALLED.get(key, key)]
    fits = isinstance(value, types) and isinstance(value, bool) == (types == (bool,))
    if isinstance(value, list):
        fits = fits and all(isinstance(name, str) for name in value)
    if not fits or (key == "thr_rgc" and not 0 <= value <= 254):
        raise SettingError(f"{path}: {key} = {value!r}: write {wanted}")
    if isinstance(value, list):
        return ",".join(value)
    return str(value) if key == "thr_rgfs" else value
