"""Pictures in other pixel formats and sizes."""

import threading

import av
from av.video.reformatter import VideoReformatter

_of_this_thread = threading.local()


def converted(
    picture: av.VideoFrame, pixel_format: str, width: int | None = None, height: int | None = None
) -> av.VideoFrame:
    """The picture as ``pixel_format``, scaled to ``width`` and ``height`` pixels where they are given.

    Never by ``picture.reformat``: that keeps its converter with the picture, and two threads that convert one
    then crash or wait for ever. Here every thread has its own.
    """
    if not hasattr(_of_this_thread, "reformatter"):
        _of_this_thread.reformatter = VideoReformatter()
    reformatter: VideoReformatter = _of_this_thread.reformatter
    return reformatter.reformat(picture, width, height, pixel_format)
