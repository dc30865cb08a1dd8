"""The curve of key-frame share against threshold that ``taplab calibrate`` finds, drawn with matplotlib."""

from pathlib import Path

import numpy as np

from taplab.calibrate import PAPER_THRESHOLDS, Curve
from taplab.errors import MissingExtraError, SettingError
from taplab.files import writable

SUFFIXES = (".png", ".svg")


def check_picture(path: Path) -> None:
    """Raises SettingError for another kind of file, MissingExtraError without matplotlib."""
    if path.suffix.lower() not in SUFFIXES:
        raise SettingError(f"{path}: a picture must end in {' or '.join(SUFFIXES)}")
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("a picture of the curve needs matplotlib: pip install 'taplab[eval]'") from error


def draw_share_curve(path: Path, curve: Curve, threshold: float, title: str) -> None:
    """Share of frames above each threshold in grey levels per pixel; the chosen one and the paper's are marked."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    shares = 100 * (1 - np.arange(len(curve.scores) + 1) / len(curve.scores))
    axes.step(np.concatenate([[0.0], curve.scores]), shares, where="post", color="#283c5a", label="measured")
    for name, value in PAPER_THRESHOLDS.items():
        share = 100 * curve.share(value)
        axes.axvline(value, color="0.6", linestyle=":")
        axes.annotate(f"paper, {name}: {value} ({share:.1f} %)", (value, 97), rotation=90, va="top", ha="right", size=8)
    chosen = 100 * curve.share(threshold)
    axes.plot([threshold], [chosen], "o", color="#d6423c", label=f"chosen: {threshold:g} ({chosen:.1f} %)")
    axes.set(xlabel="THR_RGFS, grey levels per pixel of luma", ylabel="frames above it, %", title=title)
    axes.set(xlim=(0, 1.04 * max(threshold, float(curve.scores[-1]), *PAPER_THRESHOLDS.values())), ylim=(0, 100))
    axes.grid(color="0.9")
    axes.legend()
    with writable(path, "give another --plot"):
        figure.savefig(path, dpi=150)
