"""Sources: any video, stream, camera or folder of images as a stream of ``CodedFrame``."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from taplab.errors import SourceError
from taplab.timing import Stopwatch
from taplab.video.address import OF_FFMPEG, STDIN, Address, address_of
from taplab.video.images import ImageFolder
from taplab.video.live import LiveVideo
from taplab.video.reader import Video
from taplab.video.reading import AS_USUAL, RECONNECT, TIMEOUT, Reading
from taplab.video.share import Share

Source = Video | LiveVideo | ImageFolder

__all__ = ["RECONNECT", "TIMEOUT", "ImageFolder", "LiveVideo", "Reading", "Source", "Video", "open_video"]


def open_video(
    source: str | Path,
    reading: Reading = AS_USUAL,
    *,
    stopwatch: Stopwatch | None = None,
    share: Share | None = None,
) -> Source:
    """Opens a video file, a URL that FFmpeg can read, a camera (camera:0 or /dev/video0), a folder of images, or "-".

    reading: how, such as ``Reading(max_frames=10)``. stopwatch: what "decode", "motion" and "residual" are timed with.
    share: of a file, what is decoded. Raises SourceError if there is nothing to read.
    """
    text = str(source)
    with _told(text):
        _check(text, address_of(text))
        if Path(text).is_dir():
            return ImageFolder(Path(text), reading, stopwatch=stopwatch)
        video = Video(text, reading, stopwatch=stopwatch, share=share)
        return LiveVideo(video) if video.live else video


@contextmanager
def _told(source: str) -> Iterator[None]:
    """Raises SourceError for what the system refuses."""
    try:
        yield
    except OSError as error:
        why = error.strerror or error
        raise SourceError(f"{source}: cannot be read ({why}); check its name, and that you may read it") from error


def _check(source: str, address: Address) -> None:
    if not source:
        raise SourceError("source: its name is empty; give a file, a folder, a URL or a camera")
    if address.format == "v4l2" and sys.platform != "linux":
        raise SourceError(f"{source}: cameras are read on Linux only; give a file or a URL")
    if "://" in source or address.format is not None or source in STDIN or source.startswith(OF_FFMPEG):
        return
    if not Path(source).exists():
        if source.startswith("camera:"):
            raise SourceError(f"{source}: no such camera; write camera:NUMBER, such as camera:0 for /dev/video0")
        if "%" in source:
            raise SourceError(f"{source}: no such file; of numbered images give the folder")
        raise SourceError(f"{source}: no such file or folder; check the path")
