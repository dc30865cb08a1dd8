"""How figures look and how they are saved (extra ``eval``)."""

import json
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taplab.errors import MissingExtraError
from taplab.evaluation.plain import plain as plain_values
from taplab.files import writable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which colour-blind people can tell apart.
NETWORK_COLOURS = {"bl1": "#009E73", "bl2": "#0072B2", "bl3": "#D55E00"}
MODULE_COLOURS = {
    ("ffw",): "#0072B2",
    ("ffw", "rgc"): "#E69F00",
    ("ffw", "rgfs"): "#009E73",
    ("ffw", "rgc", "rgfs"): "#CC79A7",
}
MODULE_MARKERS = {(): "s", ("ffw",): "o", ("ffw", "rgc"): "^", ("ffw", "rgfs"): "D", ("ffw", "rgc", "rgfs"): "P"}
GREY = "#666666"
_FOOTER = 7.0  # points; so many characters of it are an inch wide:
_CHARACTERS = 20
_FONTS = {"font.size": 11, "axes.titlesize": 12, "legend.fontsize": 10, "svg.hashsalt": "taplab"}


def check_matplotlib() -> None:
    """Raises MissingExtraError."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("figures need matplotlib: pip install 'taplab[eval]'") from error


@contextmanager
def styled() -> Iterator[None]:
    """Fonts of all figures that are drawn and saved within; other users of matplotlib keep theirs."""
    import matplotlib

    with matplotlib.rc_context(_FONTS):  # type: ignore[arg-type]
        yield


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure, in inches, drawn without a screen."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def new_axes(figure: "Figure", x: str, y: str) -> "Axes":
    """The only plot of a figure."""
    axes = figure.subplots()
    plain(axes, x, y)
    return axes


def plain(axes: "Axes", x: str, y: str) -> None:
    """Names of the axes, a light grid and no box."""
    axes.set(xlabel=x, ylabel=y)
    axes.grid(color="#e4e4e4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def footer(figure: "Figure", lines: Sequence[str]) -> None:
    """Small and grey under all that is drawn; saved with it, as ``save`` looks for what stands outside."""
    figure.draw_without_rendering()  # places everything, and there it stays:
    figure.set_layout_engine("none")
    for legend in figure.legends:
        legend.set_bbox_to_anchor((0, 0, 1, 1), figure.transFigure)  # not of the figure with the footer
    box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    text = "\n".join(textwrap.wrap("  ·  ".join(lines), int(box.width * _CHARACTERS)))
    place = box.x0 / width, (box.y0 - 0.1) / height
    figure.text(*place, text, va="top", fontsize=_FOOTER, color=GREY, linespacing=1.4)


def save(figure: "Figure", data: dict[str, Any], folder: Path, number: int) -> list[Path]:
    """``figure-N.png``, ``figure-N.svg`` and ``figure-N.json``, the plotted data. Raises OutputError."""
    files = [folder / f"figure-{number}.{suffix}" for suffix in ("png", "svg", "json")]
    with writable(folder / files[0].stem):
        figure.savefig(files[0], dpi=150, bbox_inches="tight", pad_inches=0.1)
        figure.savefig(files[1], bbox_inches="tight", pad_inches=0.1, metadata={"Date": None})
        files[2].write_text(json.dumps(plain_values(data)) + "\n")
    return files
