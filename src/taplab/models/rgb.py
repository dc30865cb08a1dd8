"""Pixels as the network wants them, converted on its device: planes are half the bytes of RGB, and cores have no work.

The arithmetic is that of swscale on x86, in whole numbers: the network sees the same pixels wherever it runs.
"""

import av
import torch
from torch import Tensor

from taplab.scoremap.upload import uploaded
from taplab.types import CodedFrame, Region
from taplab.video.convert import has_strange_colours, is_full_range
from taplab.video.planes import yuv_planes

# By the matrix's number in H.273: what red gets from V, green from U and from V, and blue from U, in 1/65536.
_BT601 = (104597, -25675, -53279, 132201)
_MATRICES = {
    1: (117489, -13975, -34925, 138438),  # BT.709
    2: _BT601,  # not said
    4: (104448, -24759, -53109, 132798),  # FCC
    5: _BT601,
    6: _BT601,
    7: (117579, -16907, -35559, 136230),  # SMPTE 240M
    9: (110013, -12277, -42626, 140363),  # BT.2020
}


def rgb(frame: CodedFrame, region: Region | None, device: torch.device) -> Tensor:
    """``CodedFrame.rgb`` on ``device``: uint8 ``[H, W, 3]`` of the whole frame or of a region."""
    if not _takes(frame.picture):
        there = frame.rgb(region)
        return uploaded([there], device).view(there.shape)
    box = region or Region(0, 0, frame.height, frame.width)
    # Four pixels have one colour: what is copied begins and ends where such fours do.
    top, left = box.top // 2, box.left // 2
    fours = Region(top, left, (box.top + box.height + 1) // 2 - top, (box.left + box.width + 1) // 2 - left)
    pixels = _converted(frame.picture, fours, device)
    return pixels[box.top - 2 * top :, box.left - 2 * left :][: box.height, : box.width]


def _takes(picture: av.VideoFrame) -> bool:
    """Nearly all videos are so. The rest is left to swscale: in odd sizes it interpolates colours, and where lines are
    interlaced each of two fields has its own.
    """
    known = picture.colorspace in _MATRICES or has_strange_colours(picture)
    even = picture.width % 2 == picture.height % 2 == 0
    return known and even and picture.format.name in ("yuv420p", "yuvj420p") and not picture.interlaced_frame


def _converted(picture: av.VideoFrame, fours: Region, device: torch.device) -> Tensor:
    """RGB, uint8 ``[2r, 2c, 3]``, of ``fours``, rows and columns of the chroma planes."""
    (luma, *chroma), (rows, columns) = yuv_planes(picture), (fours.height, fours.width)
    pixels = Region(2 * fours.top, 2 * fours.left, 2 * rows, 2 * columns)
    planes = uploaded([luma[pixels.slices], *(plane[fours.slices] for plane in chroma)], device)
    eighths = planes.int().mul_(8).view(6, -1)  # of a grey level: four sixths of luma, one of each chroma
    black, contrast, (red_v, green_u, green_v, blue_u) = _gains(picture)
    grey, u, v = _times(eighths[:4] - black, contrast).view(rows, 2, columns, 2), eighths[4] - 1024, eighths[5] - 1024
    colours = _times(v, red_v), _times(u, green_u) + _times(v, green_v), _times(u, blue_u)
    out = planes.new_empty((rows, 2, columns, 2, 3))
    for k, colour in enumerate(colours):
        out[..., k] = (grey + colour.view(rows, 1, columns, 1)).clamp_(0, 255)
    return out.view(2 * rows, 2 * columns, 3)


def _times(eighths: Tensor, gain: int) -> Tensor:
    """Grey levels, rounded down: the upper 16 bits of a product."""
    return eighths * gain >> 16


def _gains(picture: av.VideoFrame) -> tuple[int, int, tuple[int, ...]]:
    """Black in eighths of a level; what luma and, by ``_MATRICES``, chroma are multiplied by, in 1/8192."""
    matrix = _MATRICES.get(picture.colorspace, _BT601)
    if is_full_range(picture):
        return 0, 1 << 13, tuple(_rounded(int(gain * 224 / 255)) for gain in matrix)
    return 8 * 16, _rounded(255 * (1 << 16) // 219), tuple(map(_rounded, matrix))


def _rounded(gain: int) -> int:
    """1/65536 in 1/8192."""
    return gain + 4 >> 3
