"""Names beside the markers of a plot, where they cover nothing."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation
    from matplotlib.transforms import Bbox

Points = NDArray[np.float64]

_MARKER = 4.5  # points from its middle that a marker takes
_GAP = 6.0  # points from a marker's middle to its name
_SAMPLES = 40  # of each piece of a line
_OUTSIDE, _COVERS, _CROSSES = 1000, 10, 1  # how bad it is
_SIDES, _CORNERS = ((1, 0), (-1, 0), (0, 1), (0, -1)), ((0.8, 0.8), (0.8, -0.8), (-0.8, 0.8), (-0.8, -0.8))
_PLACES = tuple((far * dx, far * dy) for far in (1.0, 1.8) for dx, dy in (*_SIDES, *_CORNERS))  # best first


def name_markers(figure: "Figure", axes: "Axes", named: Sequence[tuple[float, float, str]], **style: Any) -> None:
    """Writes (x, y, name) beside each marker; comes last, when everything else is drawn and the axes are scaled.

    Of the places around a marker a name takes the first that covers no marker, no other name and no line, or else the
    one that covers least.
    """
    figure.draw_without_rendering()  # places everything
    markers, lines = _drawn(axes, _MARKER * figure.dpi / 72)
    for x, y, name in named:
        text = axes.annotate(name, (x, y), (0, 0), textcoords="offset points", **style)
        best = min(_PLACES, key=lambda place: _badness(_put(text, place), axes.bbox, markers, lines))
        markers.append(_put(text, best))


def _put(text: "Annotation", place: tuple[float, float]) -> "Bbox":
    """The box of the text, in pixels, when it stands there."""
    dx, dy = place
    text.set_position((dx * _GAP, dy * _GAP))
    text.set_horizontalalignment("left" if dx > 0 else "right" if dx < 0 else "center")
    text.set_verticalalignment("bottom" if dy > 0 else "top" if dy < 0 else "center")
    return text.get_window_extent()


def _badness(box: "Bbox", inside: "Bbox", taken: Sequence["Bbox"], lines: Points) -> int:
    out = box.x0 < inside.x0 or box.x1 > inside.x1 or box.y0 < inside.y0 or box.y1 > inside.y1
    covered = len([other for other in taken if box.overlaps(other)])
    crossed = int(((lines > box.min) & (lines < box.max)).all(1).any())
    return _OUTSIDE * int(out) + _COVERS * covered + _CROSSES * crossed


def _drawn(axes: "Axes", radius: float) -> tuple[list["Bbox"], Points]:
    """Boxes of markers and texts, and points along the lines ``[N, 2]``, in pixels."""
    from matplotlib.transforms import Bbox

    boxes, points = [text.get_window_extent() for text in axes.texts], [np.zeros((0, 2))]
    for line in axes.lines:
        corners = line.get_transform().transform(np.asarray(line.get_xydata(), float).reshape(-1, 2))
        if line.get_marker() not in (None, "None", ""):
            boxes += [Bbox([corner - radius, corner + radius]) for corner in corners]
        if line.get_linestyle() != "None":
            points += [np.linspace(*ends, _SAMPLES) for ends in pairwise(corners)]
    return boxes, np.concatenate(points)
