"""Class colours laid over a decoded picture, in its own YUV planes: no pixel ever becomes RGB.

The blend of a pixel p with the colour c of its class is (1 - alpha) p + alpha c. Squeezing a full-range picture
(JPEG levels, 0..255) into the limited range that every player expects (16..235) is linear too, so both are one
multiplication and one addition, looked up by class, in 16-bit fixed point.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from taplab.compiled import njit
from taplab.types import IGNORE, Labels, Plane
from taplab.video.planes import in_rows

Table = NDArray[np.int32]

LIMITED_RANGE = 1  # AVCOL_RANGE_MPEG
BT709 = 1  # AVCOL_SPC_BT709
BT601 = 6  # AVCOL_SPC_SMPTE170M
BT2020 = (9, 10)
ALARM = (255, 0, 0)  # RGB of the border around a damaged frame
FIXED = 1 << 16


@dataclass(frozen=True)
class BlendTable:
    """gain: int32 ``[2, 256]`` for luma and chroma; bias: int32 ``[3, 256]`` for Y, U and V, rounding included."""

    gain: Table
    bias: Table


@lru_cache(maxsize=16)
def blend_table(palette: tuple[tuple[int, int, int], ...], alpha: float, matrix: int, full_range: bool) -> BlendTable:
    """The table for one kind of picture. ``matrix`` is an AVColorSpace; ids without a colour stay unblended."""
    gain = np.ones((2, 256))
    bias = np.zeros((3, 256))
    if full_range:
        gain *= np.array([[219 / 255], [224 / 255]])
        bias += np.array([[16.0], [128 - 128 * 224 / 255], [128 - 128 * 224 / 255]])
    classes = slice(min(len(palette), IGNORE))
    colours = np.array([yuv(colour, matrix) for colour in palette[classes]]).reshape(-1, 3)
    gain[:, classes] *= 1 - alpha
    bias[:, classes] = (1 - alpha) * bias[:, classes] + alpha * colours.T
    return BlendTable(np.round(gain * FIXED).astype(np.int32), np.round((bias + 0.5) * FIXED).astype(np.int32))


def yuv(rgb: tuple[int, int, int], matrix: int) -> tuple[float, float, float]:
    """Limited-range Y, U, V of an RGB colour, by BT.709 (which BT.2020 is close to) or BT.601."""
    red_share, blue_share = (0.2126, 0.0722) if matrix == BT709 or matrix in BT2020 else (0.299, 0.114)
    red, green, blue = (value / 255 for value in rgb)
    luma = red_share * red + (1 - red_share - blue_share) * green + blue_share * blue
    u, v = (blue - luma) / (1 - blue_share) / 2, (red - luma) / (1 - red_share) / 2
    return 16 + 219 * luma, 128 + 224 * u, 128 + 224 * v


def blended(picture: av.VideoFrame, labels: Labels, table: BlendTable) -> av.VideoFrame:
    """A new limited-range yuv420p frame, cropped to even sizes.

    picture: 8-bit yuv420p or yuvj420p. labels: uint8 ``[H, W]`` of the same size.
    """
    height, width = picture.height // 2 * 2, picture.width // 2 * 2
    result = av.VideoFrame(width, height, "yuv420p")
    source, target = planes(picture), planes(result)
    blend_luma(source[0], labels, table.gain[0], table.bias[0], target[0])
    for channel in (1, 2):
        blend_chroma(source[channel], labels, table.gain[1], table.bias[channel], target[channel])
    return result


def add_border(picture: av.VideoFrame, matrix: int) -> None:
    """Paint a red border, 1.5 % of the height wide, into a yuv420p frame."""
    width = max(2, round(0.0075 * picture.height)) * 2  # even, so that it ends with a chroma sample
    for channel, (plane, value) in enumerate(zip(planes(picture), yuv(ALARM, matrix), strict=True)):
        edge = width if channel == 0 else width // 2
        plane[:edge], plane[-edge:], plane[:, :edge], plane[:, -edge:] = (round(value),) * 4


def planes(picture: av.VideoFrame) -> list[Plane]:
    """All planes: uint8 ``[H, W]`` each; those of a new frame are no copies."""
    return [in_rows(plane) for plane in picture.planes]


@njit(cache=True, nogil=True)
def blend_luma(source: Any, labels: Any, gain: Any, bias: Any, target: Any) -> None:
    """target[y, x] of an even size; source and labels may have one more row or column."""
    height, width = target.shape
    for y in range(height):
        source_row, label_row, target_row = source[y], labels[y], target[y]
        for x in range(width):
            label = label_row[x]
            target_row[x] = (source_row[x] * gain[label] + bias[label]) >> 16


@njit(cache=True, nogil=True)
def blend_chroma(source: Any, labels: Any, gain: Any, bias: Any, target: Any) -> None:
    """Like blend_luma, at half the size: each sample takes the label of its top left pixel."""
    height, width = target.shape
    for y in range(height):
        source_row, label_row, target_row = source[y], labels[2 * y], target[y]
        for x in range(width):
            label = label_row[2 * x]
            target_row[x] = (source_row[x] * gain[label] + bias[label]) >> 16
