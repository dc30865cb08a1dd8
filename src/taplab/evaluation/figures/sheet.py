"""Pictures side by side, with titles and a legend of the classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from taplab.evaluation.figures.style import new_figure
from taplab.types import IGNORE, Labels, Palette, Region, Rgb

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 4.6  # inches of one panel
MOST_COLUMNS = 900  # pixels of a picture in a figure: more is not seen
FRAME_COLOUR = "#ff00ff"  # of regions: no class has it


@dataclass(frozen=True, eq=False)
class Panel:
    """picture: uint8 ``[H, W, 3]``, or words why there is none. region: a rectangle to be drawn."""

    title: str
    picture: Rgb | str
    region: Region | None = None


def sheet(rows: Sequence[Sequence[Panel]], title: str, classes: "Legend | None" = None) -> "Figure":
    """Panels in rows of equal length, and under them the colours of the classes."""
    columns = len(rows[0])
    shape = next((p.picture.shape for row in rows for p in row if not isinstance(p.picture, str)), (1, 2))
    height = WIDTH * shape[0] / shape[1] + 0.32
    below = 0.0 if classes is None else 0.3 * classes.lines(columns) + 0.1
    figure = new_figure(WIDTH * columns, height * len(rows) + 0.4 + below)
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for line, row in zip(grid, rows, strict=True):
        for axes, panel in zip(line, row, strict=True):
            _show(axes, panel)
    figure.suptitle(title, fontsize=12)
    if classes is not None:
        classes.draw(figure, columns)
    return figure


def wrapped(panels: Sequence[Panel], columns: int) -> list[list[Panel]]:
    """Panels in rows; what is left of the last row stays empty."""
    padded = [*panels, *([Panel("", "")] * (-len(panels) % columns))]
    return [padded[k : k + columns] for k in range(0, len(padded), columns)]


def _show(axes: "Axes", panel: Panel) -> None:
    axes.set_axis_off()
    axes.set_title(panel.title, fontsize=11, pad=4)
    if isinstance(panel.picture, str):
        axes.text(0.5, 0.5, panel.picture, ha="center", va="center", wrap=True, color="#666666")
        return
    height, width = panel.picture.shape[:2]
    axes.imshow(_small(panel.picture), extent=(0, width, height, 0), interpolation="none")
    if panel.region is not None:
        from matplotlib.patches import Rectangle

        r = panel.region
        for colour, line in (("black", 4.0), (FRAME_COLOUR, 2.0)):
            axes.add_patch(Rectangle((r.left, r.top), r.width, r.height, fill=False, edgecolor=colour, linewidth=line))


def _small(picture: Rgb) -> Rgb:
    height, width = picture.shape[:2]
    if width <= MOST_COLUMNS:
        return picture
    size = MOST_COLUMNS, round(height * MOST_COLUMNS / width)
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))


def label_picture(labels: Labels, palette: Palette) -> Rgb:
    """Class colours, black where there is no class; uint8 ``[H, W, 3]``."""
    colours = np.zeros((IGNORE + 1, 3), np.uint8)
    colours[: len(palette)] = np.asarray(palette, np.uint8)
    return colours[labels]


class Legend:
    """The colours of the classes that occur."""

    def __init__(self, names: Sequence[str], palette: Palette, shown: Sequence[Labels]) -> None:
        present = np.unique(np.concatenate([np.unique(labels) for labels in shown]))
        self.entries = [(names[k], palette[k]) for k in present if k < len(names)]
        if IGNORE in present:
            self.entries.append(("no label", (0, 0, 0)))

    def lines(self, columns: int) -> int:
        """Of so many columns of panels."""
        return -(-len(self.entries) // self._in_a_line(columns))

    def _in_a_line(self, columns: int) -> int:
        return min(len(self.entries), 4 * columns)

    def draw(self, figure: "Figure", columns: int) -> None:
        """Below the panels."""
        from matplotlib.patches import Patch

        patches = [
            Patch(facecolor=tuple(c / 255 for c in colour), edgecolor="#444444", label=name)
            for name, colour in self.entries
        ]
        figure.legend(handles=patches, loc="outside lower center", ncols=self._in_a_line(columns), frameon=False)
