"""Views of the planes of a decoded picture."""

from typing import cast

import av
import numpy as np

from taplab.types import Plane
from taplab.video.convert import converted

# Pixel formats whose first plane is 8-bit luma.
_EIGHT_BIT_LUMA = ("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "gray", "nv12", "yuv411p")


def in_rows(plane: av.video.plane.VideoPlane) -> Plane:
    """An 8-bit plane as it is in memory, uint8 ``[rows, columns]``; a copy where the last row comes first (AMV)."""
    rows: Plane = np.frombuffer(cast("memoryview[int]", plane), np.uint8).reshape(-1, abs(plane.line_size))
    if plane.line_size < 0:
        rows = np.ascontiguousarray(rows[plane.height - 1 :: -1])
    return rows[: plane.height, : plane.width]


def plane_view(picture: av.VideoFrame, index: int = 0) -> Plane:
    """An 8-bit plane as ``in_rows`` gives it, read-only: the decoder still predicts from it."""
    view = in_rows(picture.planes[index])
    view.flags.writeable = False
    return view


def luma_plane(picture: av.VideoFrame) -> Plane:
    """The luma as uint8 ``[H, W]``: a view where the picture is 8-bit planar, else a conversion."""
    if picture.format.name in _EIGHT_BIT_LUMA:
        return plane_view(picture)
    return plane_view(converted(picture, "gray"))


def yuv_planes(picture: av.VideoFrame) -> tuple[Plane, Plane, Plane]:
    """Luma and both chroma planes as uint8: views where the picture is 8-bit planar YUV, else a conversion."""
    if not picture.format.name.startswith(("yuv4", "yuvj4")) or picture.format.components[0].bits != 8:
        picture = converted(picture, "yuv420p")
    return plane_view(picture, 0), plane_view(picture, 1), plane_view(picture, 2)
