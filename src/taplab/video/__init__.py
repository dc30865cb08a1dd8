"""Sources: any video or folder of images as a stream of ``CodedFrame``."""

from pathlib import Path

from taplab.errors import SettingError, SourceError
from taplab.timing import Stopwatch
from taplab.video.decoder import TIMEOUT
from taplab.video.images import ImageFolder
from taplab.video.reader import Video

Source = Video | ImageFolder

__all__ = ["TIMEOUT", "ImageFolder", "Source", "Video", "open_video"]


def open_video(
    source: str | Path,
    *,
    motion: bool = True,
    thr_rgc: int = 30,
    max_frames: int | None = None,
    timeout: float = TIMEOUT,
    stopwatch: Stopwatch | None = None,
) -> Source:
    """Opens a video file, a URL that FFmpeg can read, or a folder of images.

    motion: attach motion and residual, the codec's or estimated; thr_rgc: grey levels above which a pixel of the
    residual counts; timeout: seconds that a URL or playlist may keep silent. Raises SourceError if there is nothing to
    read, SettingError for a timeout that is not positive.
    """
    if not timeout > 0:
        raise SettingError(f"timeout {timeout:g}: must be positive")
    text = str(source)
    if "://" not in text and not Path(text).exists():
        raise SourceError(f"{text}: no such file or folder; check the path")
    if Path(text).is_dir():
        return ImageFolder(Path(text), motion=motion, thr_rgc=thr_rgc, max_frames=max_frames, stopwatch=stopwatch)
    return Video(text, motion=motion, thr_rgc=thr_rgc, max_frames=max_frames, timeout=timeout, stopwatch=stopwatch)
