"""Sources: any video or folder of images as a stream of ``CodedFrame``."""

from pathlib import Path

from taplab.errors import SourceError
from taplab.timing import Stopwatch
from taplab.video.images import ImageFolder
from taplab.video.reader import Video

Source = Video | ImageFolder

__all__ = ["ImageFolder", "Source", "Video", "open_video"]


def open_video(
    source: str | Path,
    *,
    motion: bool = True,
    thr_rgc: int = 30,
    max_frames: int | None = None,
    stopwatch: Stopwatch | None = None,
) -> Source:
    """Opens a video file, a URL that FFmpeg can read, or a folder of images.

    motion: attach motion and residual where the codec has vectors; thr_rgc: grey levels above which a pixel of the
    residual counts. Raises SourceError if there is nothing to read.
    """
    text = str(source)
    if "://" not in text and not Path(text).exists():
        raise SourceError(f"{text}: no such file or folder; check the path")
    if Path(text).is_dir():
        return ImageFolder(Path(text), max_frames=max_frames, stopwatch=stopwatch)
    return Video(text, motion=motion, thr_rgc=thr_rgc, max_frames=max_frames, stopwatch=stopwatch)
