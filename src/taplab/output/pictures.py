"""What ``taplab inspect`` shows: motion, residual, segmentation and the course of a stream, as pictures."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from taplab.errors import SettingError
from taplab.output.chart import timeline_chart
from taplab.output.legend import add_legend, unit
from taplab.types import IGNORE, MOTION_BLOCK, RESIDUAL_BLOCK, Labels, Motion, Palette, Plane, Residual, Rgb

__all__ = ["motion_picture", "overlay_picture", "residual_picture", "timeline_chart"]

HATCH = ((205, 205, 205), (120, 120, 120))
# Dark blue, violet, magenta, orange, yellow: evenly rising lightness, so that more residual always looks brighter.
HEAT = np.array([(12, 10, 60), (84, 20, 130), (170, 36, 128), (232, 88, 70), (252, 166, 44), (250, 240, 120)], float)


def motion_picture(motion: Motion, height: int, width: int, *, scale: float | None = None) -> Rgb:
    """Where each block's content moved since its reference (the paper's Mv): uint8 ``[height, width, 3]``.

    Hue is the direction, saturation the length: white stands still, full colour is ``scale`` pixels or more (default:
    the 95th percentile of this frame). Intra blocks are hatched grey. Of two references the heavier one counts.
    """
    vectors, coded = -_dominant_vectors(motion), motion.coded
    lengths = np.hypot(vectors[..., 0], vectors[..., 1])
    if scale is None:
        scale = _percentile(lengths[coded], 95)
    rows, columns = _blocks(height, width, MOTION_BLOCK, coded.shape)
    picture = _direction_colour(vectors, scale)[rows, columns]
    intra = ~coded[rows, columns]
    hatch = _hatch(height, width, unit(height, width))
    picture = np.where(intra[..., None], hatch, picture)
    size = unit(height, width)
    legend = [(_wheel(5 * size), f"{scale:.3g} px"), (_framed(_hatch(3 * size, 3 * size, size)), "intra")]
    return add_legend(picture, legend)


def residual_picture(
    residual: Residual, height: int, width: int, luma: Plane | None = None, *, scale: float | None = None
) -> Rgb:
    """Mean \\|Res\\| per pixel of each 16x16 block as a heat map, uint8 ``[height, width, 3]``, with a colour bar.

    luma: uint8 ``[height, width]`` shown underneath. scale: grey levels at the bright end (default: the 99th
    percentile of this frame, at least 1).
    """
    means = _block_means(residual, height, width)
    if scale is None:
        scale = _percentile(means, 99)
    rows, columns = _blocks(height, width, RESIDUAL_BLOCK, means.shape)
    picture = _heat(means / scale)[rows, columns]
    if luma is not None:
        picture = _over(picture, luma[:height, :width, None], 0.6)
    size = unit(height, width)
    ramp = np.broadcast_to(np.linspace(0, 1, 12 * size), (size, 12 * size))
    return add_legend(picture, [(_framed(_heat(ramp)), f"0 to {scale:.3g} grey levels")])


def overlay_picture(rgb: Rgb, labels: Labels, palette: Palette, alpha: float = 0.5) -> Rgb:
    """Class colours over a picture: uint8 ``[H, W, 3]``; IGNORE and ids without a colour stay as they are.

    Raises SettingError if the labels are not ``[H, W]``.
    """
    if labels.shape != rgb.shape[:2]:
        raise SettingError(f"labels of {list(labels.shape)} do not fit a picture of {list(rgb.shape[:2])}; resize them")
    known = min(len(palette), IGNORE)
    colours = np.zeros((256, 3), np.uint8)
    colours[:known] = np.asarray(palette, np.uint8).reshape(-1, 3)[:known]
    blended: Rgb = np.where((labels < known)[..., None], _over(colours[labels], rgb, alpha), rgb)
    return blended


def save_picture(picture: Rgb | Image.Image, path: Path) -> None:
    """As a PNG that says whose it is. Raises OSError."""
    mark = PngImagePlugin.PngInfo()
    mark.add_text("Software", "taplab")
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(path, pnginfo=mark)


def is_saved_picture(path: Path) -> bool:
    """Is this what ``save_picture`` wrote?"""
    try:
        with Image.open(path) as image:
            return image.info.get("Software") == "taplab"
    except (OSError, ValueError, SyntaxError):  # what Pillow raises for files that are no pictures, or broken
        return False


def _dominant_vectors(motion: Motion) -> NDArray[np.float32]:
    if not motion.fields:
        return np.zeros((*motion.coded.shape, 2), np.float32)
    strongest = np.argmax([field.weight for field in motion.fields], axis=0)
    vectors = np.stack([field.vectors for field in motion.fields])
    chosen: NDArray[np.float32] = np.take_along_axis(vectors, strongest[None, :, :, None], axis=0)[0]
    return chosen


def _direction_colour(vectors: NDArray[Any], scale: float) -> Rgb:
    """White to full colour for ``[..., 2]`` displacements (dx, dy); red is right, a quarter turn on is down."""
    turn = np.arctan2(vectors[..., 1], vectors[..., 0]) * 3 / np.pi
    saturation = np.minimum(np.hypot(vectors[..., 0], vectors[..., 1]) / scale, 1)[..., None]
    pure = np.clip(np.abs((turn[..., None] + (0, 4, 2)) % 6 - 3) - 1, 0, 1)
    return _rounded(255 * (1 - saturation * (1 - pure)))


def _wheel(diameter: int) -> Rgb:
    """What each colour means: the displacement from the centre."""
    offsets = (np.arange(diameter) - (diameter - 1) / 2) * 2 / diameter
    x, y = np.meshgrid(offsets, offsets)
    inside = np.hypot(x, y) <= 1
    wheel: Rgb = np.where(inside[..., None], _direction_colour(np.stack([x, y], axis=-1), 1.0), np.uint8(255))
    return wheel


def _hatch(height: int, width: int, size: int) -> Rgb:
    y, x = np.ogrid[:height, :width]
    period = max(4, size // 2)
    stripes: Rgb = np.array(HATCH, np.uint8)[((x + y) % period < period // 2).astype(int)]
    return stripes


def _framed(patch: Rgb) -> Rgb:
    framed = patch.copy()
    framed[[0, -1]] = framed[:, [0, -1]] = 30
    return framed


def _block_means(residual: Residual, height: int, width: int) -> NDArray[np.float64]:
    rows, columns = residual.sums.shape
    tall = np.clip(height - RESIDUAL_BLOCK * np.arange(rows), 1, RESIDUAL_BLOCK)
    wide = np.clip(width - RESIDUAL_BLOCK * np.arange(columns), 1, RESIDUAL_BLOCK)
    means: NDArray[np.float64] = residual.sums / (tall[:, None] * wide)
    return means


def _heat(values: NDArray[np.float64]) -> Rgb:
    """Colours of values from 0 to 1, ``[..., 3]``."""
    stops = np.linspace(0, 1, len(HEAT))
    return _rounded(np.stack([np.interp(values, stops, channel) for channel in HEAT.T], axis=-1))


def _blocks(height: int, width: int, block: int, grid: tuple[int, ...]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The block of each pixel, as open indices of a grid."""
    rows = np.minimum(np.arange(height) // block, grid[0] - 1)
    columns = np.minimum(np.arange(width) // block, grid[1] - 1)
    return rows[:, None], columns[None, :]


def _percentile(values: NDArray[Any], share: float) -> float:
    """At least 1, so that noise in a still picture does not fill the scale."""
    return max(1.0, float(np.percentile(values, share))) if values.size else 1.0


def _over(top: NDArray[Any], bottom: NDArray[Any], alpha: float) -> Rgb:
    return _rounded(alpha * top.astype(np.float32) + (1 - alpha) * bottom.astype(np.float32))


def _rounded(values: NDArray[Any]) -> Rgb:
    rounded: Rgb = np.rint(values).astype(np.uint8)
    return rounded
