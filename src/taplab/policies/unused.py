"""What a mode makes no use of: refused where somebody asks for it, rather than ignored."""

from dataclasses import fields, replace
from typing import Any

from taplab.errors import SettingError
from taplab.policies.paper import PaperSettings

_OF_RGC = ("alpha", "thr_rgc", "region", "stride")
_OF_RGFS = ("thr_rgfs", "thr_rgfs_unit")
_DEFAULTS: dict[str, Any] = {field.name: field.default for field in fields(PaperSettings)}


def follows_motion(mode: str) -> bool:
    """The stream's: the others compute motion of their own, or none."""
    return mode not in ("per-frame", "itp") and not mode.startswith("flow:")


def unused(settings: PaperSettings, mode: str, *, asked: bool = False) -> dict[str, str]:
    """Names of the settings that ``mode`` makes no use of and that are not the default, and why. asked: by a dial."""
    reasons: dict[str, str] = {}
    if "rgc" not in settings.modules:
        reasons |= dict.fromkeys(_OF_RGC, "needs rgc among the modules")
    elif mode == "live":
        reasons |= dict.fromkeys(("alpha", "thr_rgc"), "mode live chooses and blends regions in its own way")
    if "rgfs" not in settings.modules:
        reasons |= dict.fromkeys(_OF_RGFS, "needs rgfs among the modules")
    elif asked:
        reasons |= dict.fromkeys((*_OF_RGFS, "modules"), "key frames are chosen by the motion, not by rgfs")
    if not follows_motion(mode):
        reasons["motion"] = f"mode {mode} does not follow the stream's motion"
    if mode == "per-frame":
        given = "mode per-frame gives what the network says"
        reasons |= dict.fromkeys((*_OF_RGC, *_OF_RGFS, "edges", "motion", "modules"), given)
    return {name: why for name, why in reasons.items() if getattr(settings, name) != _DEFAULTS[name]}


def used(settings: PaperSettings, mode: str, *, asked: bool = False) -> PaperSettings:
    """The settings with the default in place of what ``mode`` makes no use of."""
    return replace(settings, **{name: _DEFAULTS[name] for name in unused(settings, mode, asked=asked)})


def require_use(settings: PaperSettings, mode: str, *, asked: bool = False) -> None:
    """Raises SettingError for the first setting that ``mode`` makes no use of."""
    for name, why in unused(settings, mode, asked=asked).items():
        value = getattr(settings, name)
        shown = ",".join(value) if name == "modules" else value
        raise SettingError(f"{name} {shown}: {why}; leave it out")
