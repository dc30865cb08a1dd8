"""Playlists on the disk that were never finished, as a recorder leaves them that was stopped.

FFmpeg waits for what they might get yet, for half a minute and more. One that has not grown for a while is ended here.
"""

import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

_STILL = 30.0  # seconds without a change: a segment is seldom half as long
_END = b"#EXT-X-ENDLIST"
_FFMPEGS = (b"://", b"METHOD=AES", b"METHOD=SAMPLE")  # what only FFmpeg can open

Opener = Callable[[str, int, dict[str, str]], BinaryIO]  # of ``av.open``


def is_playlist(source: str) -> bool:
    """By the name of a file or URL."""
    return source.lower().partition("?")[0].endswith(".m3u8")


def ended(source: str) -> Opener | None:
    """What opens the playlist as one that is finished, and its segments; None where it is not such a file."""
    path = Path(source)
    if path.suffix.lower() != ".m3u8" or not path.is_file() or time.time() - path.stat().st_mtime < _STILL:
        return None
    text = path.read_bytes()
    if b"#EXTINF" not in text or any(mark in text for mark in (_END, *_FFMPEGS)):
        return None

    def opener(url: str, flags: int, options: dict[str, str]) -> BinaryIO:
        file = Path(url.removeprefix("file:"))
        try:
            return BytesIO(text + b"\n" + _END + b"\n") if file == path else file.open("rb")
        except OSError:
            return BytesIO()  # FFmpeg passes over it

    return opener
