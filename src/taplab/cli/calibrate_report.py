"""What ``taplab calibrate`` says of a threshold: on the screen, in a TOML file and as JSON."""

import shlex
import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from taplab import __version__
from taplab.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from taplab.calibrate import ClipScores, Curve

SHARES = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5)
NAMED = 12  # clips that the comment in the TOML file names


def described(clip: "ClipScores") -> str:
    """A clip in one line."""
    line = (
        f"{clip.source}: {clip.codec}, {clip.width}x{clip.height}, "
        f"{counted(clip.frames, 'frame')}, {counted(clip.keys, 'key frame')} anyway"
    )
    if not len(clip.scores):
        return line
    return f"{line}, residual {clip.scores.mean():.2f} grey levels a pixel, at most {clip.scores.max():.2f}"


def print_curve(clips: "Sequence[ClipScores]", curve: "Curve", share: float, interval: int) -> None:
    """A table on stdout: which share takes which threshold."""
    from taplab.calibrate import PAPER_THRESHOLDS

    table = Table(
        "share asked",
        "THR_RGFS, grey levels a pixel",
        "share reached",
        title=counted(len(curve.scores), "warped frame"),
    )
    for asked in sorted({*SHARES, share}):
        threshold = curve.threshold(asked)
        style = "bold" if asked == share else None
        table.add_row(f"{100 * asked:g} %", f"{threshold:g}", f"{100 * curve.share(threshold):.1f} %", style=style)
    table.add_section()
    for name, threshold in PAPER_THRESHOLDS.items():
        table.add_row(f"paper, {name}", f"{threshold:g}", f"{100 * curve.share(threshold):.1f} %")
    Console().print(table)
    print(_others(clips, interval))
    if curve.share(curve.threshold(share)) == 0:
        print(
            f"{100 * share:g} % of {len(curve.scores)} frames is not one of them, or they score alike: give more clips"
        )


def _others(clips: "Sequence[ClipScores]", interval: int) -> str:
    """The frames that no threshold changes."""
    keys, unmeasured = sum(clip.keys for clip in clips), sum(clip.unmeasured for clip in clips)
    text = f"not counted: {counted(keys, 'key frame')} anyway (I-frames, or due by the interval of {interval})"
    return text + (
        f", {counted(unmeasured, 'frame')} without usable motion, which the network sees too" if unmeasured else ""
    )


def comment(clips: "Sequence[ClipScores]", curve: "Curve", share: float, interval: int) -> list[str]:
    """Where a threshold came from; it stands above it in the TOML file."""
    reached = curve.share(curve.threshold(share))
    lines = [
        f"{100 * reached:.1f} % of {len(curve.scores)} warped frames become key frames (asked: {100 * share:g} %)",
        _others(clips, interval),
    ]
    lines += [f"from {described(clip)}" for clip in clips[:NAMED]]
    if len(clips) > NAMED:
        lines.append(f"and from {len(clips) - NAMED} more clips")
    lines.append(f"taplab {__version__}: {shlex.join(['taplab', *sys.argv[1:]])}")
    return ["".join(c if c.isprintable() else "?" for c in line) for line in lines]


def record(clips: "Sequence[ClipScores]", curve: "Curve", share: float, interval: int) -> dict[str, object]:
    """What ``--json`` writes."""
    from taplab.calibrate import PAPER_THRESHOLDS

    def point(asked: float) -> dict[str, float]:
        threshold = curve.threshold(asked)
        return {"share": asked, "threshold": threshold, "reached": curve.share(threshold)}

    return {
        **point(share),
        "unit": "grey levels per pixel of luma",
        "interval": interval,
        "warped_frames": len(curve.scores),
        "clips": [
            {
                "source": clip.source,
                "codec": clip.codec,
                "width": clip.width,
                "height": clip.height,
                "frames": clip.frames,
                "key_frames_anyway": clip.keys,
                "without_motion": clip.unmeasured,
                "mean_score": float(clip.scores.mean()) if len(clip.scores) else None,
            }
            for clip in clips
        ],
        "curve": [point(percent / 100) for percent in range(1, 100)],
        "paper": {name: {"threshold": t, "share": curve.share(t)} for name, t in PAPER_THRESHOLDS.items()},
    }
