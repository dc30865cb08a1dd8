"""Policies: which frames and regions the network sees, and what becomes of the others."""

from taplab.errors import SettingError
from taplab.policies.base import Answer, Ask, Policy, Steps
from taplab.policies.paper import MODULES, Paper, PaperSettings
from taplab.policies.per_frame import PerFrame

MODES = ("auto", "paper", "per-frame")

__all__ = ["MODES", "MODULES", "Answer", "Ask", "Paper", "PaperSettings", "PerFrame", "Policy", "Steps", "make_policy"]


def make_policy(mode: str, settings: PaperSettings | None = None) -> Policy:
    """The policy of that name; "auto" is the best there is. Raises SettingError for an unknown one."""
    if mode == "per-frame":
        return PerFrame()
    if mode in ("auto", "paper"):
        return Paper(settings or PaperSettings())
    raise SettingError(f"mode {mode!r}: choose one of {', '.join(MODES)}")
