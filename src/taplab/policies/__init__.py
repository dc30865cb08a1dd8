"""Policies: which frames and regions the network sees, and what becomes of the others."""

from dataclasses import replace

from taplab.errors import SettingError
from taplab.policies import due, plan
from taplab.policies.base import Answer, Ask, Policy, Steps
from taplab.policies.dial import Dial, Relation, Relations
from taplab.policies.itp import Interpolation
from taplab.policies.live import Live
from taplab.policies.offline import Offline
from taplab.policies.paper import MODULES, Paper, PaperSettings
from taplab.policies.per_frame import PerFrame
from taplab.policies.propagation import FastFeatureWarping, OpticalFlow, Propagation
from taplab.policies.unused import require_use, unused, used

MODES = ("auto", "offline", "live", "paper", "per-frame")

__all__ = [
    "MODES",
    "MODULES",
    "Answer",
    "Ask",
    "Dial",
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
    "Relation",
    "Relations",
    "Steps",
    "make_policy",
    "require_use",
    "unused",
    "used",
]


def make_policy(
    mode: str,
    settings: PaperSettings | None = None,
    device: str = "cpu",
    dial: Dial | None = None,
    *,
    glances: bool = False,
) -> Policy:
    """The policy of that name; "auto" is offline (``Segmenter`` takes live for streams), or paper if RGC is asked for.

    dial: what is asked of it, in place of RGFS and of key frames at I-frames; the interval stays the upper limit.
    offline and live serve one stream: they count. To compare with: "itp" interpolates between key frames, "flow:NAME"
    is the paper's with an optical flow in place of FFW (NAME as of ``load_flow``, which runs on ``device``).
    Per-frame gives what the network says; all others follow edges, and the motion named, if the settings say so.
    glances: the network is made for warping.
    Raises SettingError.
    """
    settings = settings or PaperSettings()
    policy = _policy(mode, settings, device, dial or Dial())
    policy.glances = glances
    policy.follows_edges = settings.edges and policy.name != "per-frame"
    if settings.motion != "auto":
        policy.refine = "always" if settings.motion == "refined" else "never"
    return policy


def _policy(mode: str, settings: PaperSettings, device: str, dial: Dial) -> Policy:
    if dial.asked:
        mode = dial.mode(mode)
        dial.check_interval(settings.interval)
        settings = replace(settings, modules=tuple(m for m in settings.modules if m != "rgfs"))
        if "rgc" in settings.modules:
            dial.check_regions(mode)
    if mode == "per-frame":
        return PerFrame()
    if mode == "offline" or (mode == "auto" and "rgc" not in settings.modules):
        return plan.offline(settings, dial)
    if mode == "live":
        return due.live(settings, dial)
    if mode in ("auto", "paper"):
        return Paper(settings)
    if mode == "itp":
        return Interpolation(settings)
    if mode.startswith("flow:"):
        from taplab.models.flow import load_flow

        return Paper(settings, OpticalFlow(load_flow(mode.removeprefix("flow:"), device=device), mode))
    raise SettingError(f"mode {mode!r}: choose one of {', '.join(MODES)}; to compare with: itp, flow:NAME")
