"""The course of a stream over time: frame kinds, residual, key frames and damage, drawn without matplotlib."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from taplab.errors import SettingError
from taplab.output.legend import INK, font

Colour = tuple[int, int, int]

KIND_COLOURS: dict[str, Colour] = {"I": (214, 66, 60), "P": (104, 146, 196), "B": (190, 210, 234)}
RESIDUAL, RANGE = (40, 60, 90), (190, 202, 220)
KEY, KEY_LINE, DAMAGED = (20, 130, 80), (176, 220, 196), (235, 20, 200)
RARITY = (*KIND_COLOURS.values(), KEY, DAMAGED)  # where frames share a cell the first of these shows
GRID, EMPTY, PAPER = (226, 226, 226), (244, 244, 244), (255, 255, 255)

FINE = 2  # drawn this many times larger and scaled down, for smooth lines
WIDTHS = (1000, 2000)  # pixels; between them one for each frame
JOIN = 4  # pixels: where frames outnumber them, the line takes steps of this
LEFT, RIGHT, TOP, PLOT, LANE, GAP, BOTTOM = 84, 28, 64, 220, 22, 8, 60  # pixels


def timeline_chart(
    kinds: Sequence[str], residual: Sequence[float | None], keys: Sequence[bool], damaged: Sequence[bool]
) -> Image.Image:
    """A chart over the frames in display order, as an RGB image 1000 to 2000 pixels wide.

    kinds: "I", "P" or "B". residual: grey levels per pixel, None where it was not measured. keys: the network saw the
    whole frame. damaged: not to be trusted. Where frames outnumber the pixels the line is their mean, the band behind
    it their range, and the rarest thing wins in the lanes. Raises SettingError for unequal lengths.
    """
    counts = {len(kinds), len(residual), len(keys), len(damaged)}
    if len(counts) != 1 or not kinds:
        raise SettingError(
            f"a chart of {sorted(counts)} frames: give all four sequences one and the same length, not 0"
        )
    chart = _Chart(residual)
    chart.axes()
    chart.key_lines(keys)
    chart.residual_line()
    chart.lane(0, "kind", [KIND_COLOURS.get(kind) for kind in kinds])
    chart.lane(1, "key", [KEY if key else None for key in keys])
    chart.lane(2, "damaged", [DAMAGED if bad else None for bad in damaged])
    chart.legend(kinds, any(keys), any(damaged))
    return chart.image.resize((chart.width, chart.height), Image.Resampling.BOX)


class _Chart:
    """The sheet, its scales and its pen. Positions are in final pixels; the pen draws FINE times larger."""

    def __init__(self, residual: Sequence[float | None]) -> None:
        self.frames = len(residual)
        self.width = min(max(self.frames + LEFT + RIGHT, WIDTHS[0]), WIDTHS[1])
        self.height = TOP + PLOT + 3 * (LANE + GAP) + BOTTOM
        self.columns = min(self.frames, self.width - LEFT - RIGHT)
        self.edges = np.linspace(0, self.frames, self.columns + 1).round().astype(int)
        self.values = np.array([np.nan if value is None else value for value in residual], float)
        highest = float(np.nanmax(self.values, initial=0.1))
        self.step = _round_step(highest / 4)
        self.ceiling = self.step * math.ceil(highest / self.step)
        self.image = Image.new("RGB", (self.width * FINE, self.height * FINE), PAPER)
        self.pen = ImageDraw.Draw(self.image)
        self.letters = font(13 * FINE)

    def x(self, frame: float) -> float:
        """Where a frame begins."""
        return LEFT + frame * (self.width - LEFT - RIGHT) / self.frames

    def y(self, value: float) -> float:
        """The height of a residual."""
        return TOP + PLOT * (1 - value / self.ceiling)

    def axes(self) -> None:
        """Grid, numbers and names of both axes."""
        right, bottom, base = self.width - RIGHT, TOP + PLOT, self.height - BOTTOM
        for value in np.arange(0, self.ceiling + self.step / 2, self.step):
            self.line(LEFT, self.y(value), right, self.y(value), GRID)
            self.text(LEFT - 8, self.y(value), f"{value:.6g}", "rm")
        for frame in range(0, self.frames, max(1, int(_round_step(self.frames / 10)))):
            middle = self.x(frame + 0.5)
            self.line(middle, TOP, middle, bottom, GRID)
            self.line(middle, base, middle, base + 5, INK)
            self.text(middle, base + 8, str(frame), "mt")
        self.line(LEFT, TOP, LEFT, bottom, INK)
        self.line(LEFT, bottom, right, bottom, INK)
        self.text((LEFT + right) / 2, self.height - 8, "frame, in display order", "mb")
        self.text(LEFT - 8, TOP - 10, "residual, grey levels per pixel", "lb")

    def key_lines(self, keys: Sequence[bool]) -> None:
        """A faint upright line at each key frame, unless they would fill the plot."""
        if sum(keys) * 8 < self.width:
            for frame in np.flatnonzero(keys):
                middle = self.x(frame + 0.5)
                self.line(middle, TOP, middle, TOP + PLOT, KEY_LINE)

    def residual_line(self) -> None:
        """The mean of each column before the range of its frames; gaps where nothing was measured."""
        edges = self.edges if self.columns == self.frames else np.append(self.edges[:-1:JOIN], self.frames)
        points = [_mean_and_range(self.values[start:stop]) for start, stop in pairwise(edges)]
        places = [self.x((start + stop) / 2) for start, stop in pairwise(edges)]
        for x, (mean, low, high) in zip(places, points, strict=True):
            if high > low:
                self.line(x, self.y(low), x, self.y(high), RANGE, JOIN)
            if self.columns < 160 and not np.isnan(mean):
                self.dot(x, self.y(mean))
        for (x0, x1), (a, b) in zip(pairwise(places), pairwise(mean for mean, _, _ in points), strict=True):
            if not (np.isnan(a) or np.isnan(b)):
                self.line(x0, self.y(a), x1, self.y(b), RESIDUAL, 1.5)

    def lane(self, number: int, name: str, colours: Sequence[Colour | None]) -> None:
        """A strip with one cell for each frame, or for each column the rarest colour of its frames."""
        top = TOP + PLOT + GAP + number * (LANE + GAP)
        self.text(LEFT - 8, top + LANE / 2, name, "rm")
        self.box(LEFT, top, self.width - RIGHT, top + LANE, EMPTY)
        margin = 0.5 if self.x(1) - self.x(0) > 4 else 0.0
        for start, stop in pairwise(self.edges):
            cell = [colour for colour in RARITY if colour in colours[start:stop]]
            if cell:
                self.box(self.x(start) + margin, top, self.x(stop) - margin, top + LANE, cell[0])

    def legend(self, kinds: Sequence[str], keys: bool, damaged: bool) -> None:
        """The colours that occur, in a row at the top right."""
        entries = [(f"{kind}-frame", colour) for kind, colour in KIND_COLOURS.items() if kind in kinds]
        entries += [("key frame", KEY)] * keys + [("damaged", DAMAGED)] * damaged + [("residual", RESIDUAL)]
        entries += [("its range", RANGE)] * (self.columns < self.frames)
        right: float = self.width - RIGHT
        for name, colour in reversed(entries):
            right -= self.letters.getbbox(name)[2] / FINE
            self.text(right, 22, name, "lm")
            self.box(right - 20, 16, right - 6, 28, colour)
            right -= 36

    def line(self, x0: float, y0: float, x1: float, y1: float, colour: Colour, width: float = 1) -> None:
        """A stroke."""
        self.pen.line((x0 * FINE, y0 * FINE, x1 * FINE, y1 * FINE), fill=colour, width=round(width * FINE))

    def box(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        """A filled rectangle, at least one fine pixel wide."""
        right, bottom = max(x0 * FINE, x1 * FINE - 1), y1 * FINE - 1
        self.pen.rectangle((round(x0 * FINE), round(y0 * FINE), round(right), round(bottom)), fill=colour)

    def dot(self, x: float, y: float) -> None:
        """A measured frame, visible between two gaps too."""
        self.pen.circle((x * FINE, y * FINE), 2.5 * FINE, fill=RESIDUAL)

    def text(self, x: float, y: float, words: str, anchor: str) -> None:
        """Words at a place; ``anchor`` as Pillow has it."""
        self.pen.text((x * FINE, y * FINE), words, fill=INK, font=self.letters, anchor=anchor)


def _mean_and_range(values: NDArray[np.float64]) -> tuple[float, float, float]:
    measured = values[~np.isnan(values)]
    if not measured.size:
        return (math.nan,) * 3
    return float(measured.mean()), float(measured.min()), float(measured.max())


def _round_step(rough: float) -> float:
    """The next 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
