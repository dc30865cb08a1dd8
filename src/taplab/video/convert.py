"""Pictures in other pixel formats and sizes."""

import threading

import av
from av.video.reformatter import Colorspace, VideoReformatter

_of_this_thread = threading.local()
_FULL_RANGE = 2  # AVCOL_RANGE_JPEG
_KNOWN = {0, 1, 2, 4, 5, 6, 7, 9}  # matrices from RGB, by their number in H.273, that swscale turns round


def converted(
    picture: av.VideoFrame, pixel_format: str, width: int | None = None, height: int | None = None
) -> av.VideoFrame:
    """The picture as ``pixel_format``, scaled to ``width`` and ``height`` pixels where they are given.

    Colours that swscale refuses (``has_strange_colours``) are taken for those of BT.601.

    Never by ``picture.reformat``: that keeps its converter with the picture, and two threads that convert one
    then crash or wait for ever. Here every thread has its own.
    """
    if not hasattr(_of_this_thread, "reformatter"):
        _of_this_thread.reformatter = VideoReformatter()
    reformatter: VideoReformatter = _of_this_thread.reformatter
    matrix = Colorspace.ITU601 if has_strange_colours(picture) else None
    return reformatter.reformat(picture, width, height, pixel_format, src_colorspace=matrix)


def has_strange_colours(picture: av.VideoFrame) -> bool:
    """They are coded in a way that swscale does not know: YCgCo, ICtCp, or a number without a meaning."""
    return picture.colorspace not in _KNOWN


def is_full_range(picture: av.VideoFrame) -> bool:
    """Whether the picture has JPEG levels, by its pixel format or its tag."""
    return picture.format.name.startswith("yuvj") or picture.color_range == _FULL_RANGE
