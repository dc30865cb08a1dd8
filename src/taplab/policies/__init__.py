"""Policies: which frames and regions the network sees, and what becomes of the others."""

from taplab.errors import SettingError
from taplab.policies.base import Answer, Ask, Policy, Steps
from taplab.policies.itp import Interpolation
from taplab.policies.live import Live
from taplab.policies.offline import Offline
from taplab.policies.paper import MODULES, Paper, PaperSettings
from taplab.policies.per_frame import PerFrame
from taplab.policies.propagation import FastFeatureWarping, OpticalFlow, Propagation

MODES = ("auto", "offline", "live", "paper", "per-frame")

__all__ = [
    "MODES",
    "MODULES",
    "Answer",
    "Ask",
    "FastFeatureWarping",
    "Interpolation",
    "Live",
    "Offline",
    "OpticalFlow",
    "Paper",
    "PaperSettings",
    "PerFrame",
    "Policy",
    "Propagation",
    "Steps",
    "make_policy",
]


def make_policy(mode: str, settings: PaperSettings | None = None, device: str = "cpu") -> Policy:
    """The policy of that name; "auto" is offline (``Segmenter`` takes live for streams), or paper if RGC is asked for.

    To compare with: "itp" interpolates between key frames, "flow:NAME" is the paper's with an optical flow in place of
    FFW (NAME as of ``load_flow``, which runs on ``device``). Raises SettingError.
    """
    settings = settings or PaperSettings()
    if mode == "per-frame":
        return PerFrame()
    if mode == "offline" or (mode == "auto" and "rgc" not in settings.modules):
        return Offline(settings)
    if mode == "live":
        return Live(settings)
    if mode in ("auto", "paper"):
        return Paper(settings)
    if mode == "itp":
        return Interpolation(settings)
    if mode.startswith("flow:"):
        from taplab.models.flow import load_flow

        return Paper(settings, OpticalFlow(load_flow(mode.removeprefix("flow:"), device=device), mode))
    raise SettingError(f"mode {mode!r}: choose one of {', '.join(MODES)}; to compare with: itp, flow:NAME")
