"""Sources: any video, stream, camera or folder of images as a stream of ``CodedFrame``."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

from taplab.errors import SettingError, SourceError
from taplab.timing import Stopwatch
from taplab.types import THR_RGC, Refine
from taplab.video.address import OF_FFMPEG, STDIN, Address, address_of
from taplab.video.decoder import TIMEOUT
from taplab.video.images import ImageFolder
from taplab.video.live import RECONNECT, LiveVideo
from taplab.video.reader import Video
from taplab.video.share import Share
from taplab.words import is_number, is_whole

Source = Video | LiveVideo | ImageFolder

__all__ = ["RECONNECT", "TIMEOUT", "ImageFolder", "LiveVideo", "Source", "Video", "open_video"]


def open_video(
    source: str | Path,
    *,
    motion: bool = True,
    refine: Refine = "never",
    thr_rgc: int = THR_RGC,
    max_frames: int | None = None,
    timeout: float = TIMEOUT,
    reconnect: float = RECONNECT,
    stopwatch: Stopwatch | None = None,
    share: Share | None = None,
) -> Source:
    """Opens a video file, a URL that FFmpeg can read, a camera (camera:0 or /dev/video0), a folder of images, or "-".

    motion: attach motion and residual, the codec's or estimated; refine: search anew from the codec's vectors on,
    "never", where they are "fast", or "always"; thr_rgc: grey levels above which a pixel of the residual counts;
    timeout: seconds that a URL or playlist may keep silent; reconnect: seconds to go on trying where a live source is
    lost, 0 for none; share: of a file, what is decoded. Raises SourceError if there is nothing to read, SettingError
    for a timeout that is not positive, a negative ``reconnect``, ``max_frames`` that is no whole number from 1 on,
    ``thr_rgc`` that is none from 0 to 254, or another ``refine``.
    """
    if max_frames is not None and not (is_whole(max_frames) and max_frames >= 1):
        raise SettingError(f"max_frames {max_frames!r}: must be a whole number, at least 1")
    if not is_number(timeout) or not timeout > 0:
        raise SettingError(f"timeout {timeout!r}: must be a number of seconds above 0")
    if not is_number(reconnect) or not reconnect >= 0:
        raise SettingError(f"reconnect {reconnect!r}: must be a number of seconds, 0 or more")
    if not is_whole(thr_rgc) or not 0 <= thr_rgc < 255:
        raise SettingError(f"thr_rgc {thr_rgc!r}: must be a whole number of grey levels, 0 to 254")
    if refine not in get_args(Refine):
        raise SettingError(f"refine {refine!r}: choose one of {', '.join(get_args(Refine))}")
    text = str(source)
    with _told(text):
        _check(text, address_of(text))
        if Path(text).is_dir():
            return ImageFolder(Path(text), motion=motion, thr_rgc=thr_rgc, max_frames=max_frames, stopwatch=stopwatch)

        def opened(limit: float, *, most: int | None = None, again: bool = True) -> Video:
            return Video(
                text,
                motion=motion,
                refine=refine,
                thr_rgc=thr_rgc,
                max_frames=most,
                timeout=limit,
                stopwatch=stopwatch,
                known_live=again,
                share=share,
            )

        video = opened(timeout, most=max_frames, again=False)
        if not video.live:
            return video
        video.max_frames = None  # of all connections together
        return LiveVideo(video, opened, timeout=timeout, reconnect=reconnect, max_frames=max_frames)


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
