"""Policies: which frames and regions the network sees, and what becomes of the others."""

from taplab.errors import SettingError
from taplab.policies.base import Answer, Ask, Policy, Steps
from taplab.policies.offline import Offline
from taplab.policies.paper import MODULES, Paper, PaperSettings
from taplab.policies.per_frame import PerFrame

MODES = ("auto", "offline", "paper", "per-frame")

__all__ = [
    "MODES",
    "MODULES",
    "Answer",
    "Ask",
    "Offline",
    "Paper",
    "PaperSettings",
    "PerFrame",
    "Policy",
    "Steps",
    "make_policy",
]


def make_policy(mode: str, settings: PaperSettings | None = None) -> Policy:
    """The policy of that name; "auto" is offline, or paper if RGC is asked for. Raises SettingError."""
    settings = settings or PaperSettings()
    if mode == "per-frame":
        return PerFrame()
    if mode == "offline" or (mode == "auto" and "rgc" not in settings.modules):
        return Offline(settings)
    if mode in ("auto", "paper"):
        return Paper(settings)
    raise SettingError(f"mode {mode!r}: choose one of {', '.join(MODES)}")
