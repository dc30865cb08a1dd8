"""Playlists on the disk that were never finished, as a recorder leaves them that was stopped.

FFmpeg waits for what they might get yet, for half a minute and more. One that has not grown for a while is ended here.
"""

import re
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from taplab.video.address import local_path

_STILL = 30.0  # seconds without a change: a segment is seldom half as long
_END = b"#EXT-X-ENDLIST"
_NAMED = re.compile(r'^([^#\s].*?)\s*$|URI="(.+?)"', re.MULTILINE)
_FFMPEGS = (b"://", b"METHOD=AES", b"METHOD=SAMPLE")  # what only FFmpeg can open

Opener = Callable[[str, int, dict[str, str]], BinaryIO]  # of ``av.open``


def is_playlist(source: str) -> bool:
    """By the name of a file or URL."""
    return source.lower().partition("?")[0].endswith(".m3u8")


def ended(source: str) -> Opener | None:
    """What opens the playlist, or those it names, as finished, and their segments; None where none was left so."""
    path = Path(local_path(source))
    if path.suffix.lower() != ".m3u8" or not path.is_file():
        return None
    texts = {file.resolve(): file.read_bytes() for file in (path, *_named_in(path)) if file.is_file()}
    left = {file for file, text in texts.items() if _was_left(file, text)}
    if not left or any(mark in text for text in texts.values() for mark in _FFMPEGS):
        return None
    texts |= {file: texts[file] + b"\n" + _END + b"\n" for file in left}

    def opener(url: str, flags: int, options: dict[str, str]) -> BinaryIO:
        file = Path(local_path(url))
        text = texts.get(file.resolve())
        try:
            return file.open("rb") if text is None else BytesIO(text)
        except OSError:
            return BytesIO()  # FFmpeg passes over it

    return opener


def _named_in(path: Path) -> list[Path]:
    """Playlists that a master playlist names: of each quality, sound, subtitles."""
    text = path.read_text(errors="replace")
    if "#EXT-X-STREAM-INF" not in text:
        return []
    return [path.parent / (line or uri) for line, uri in _NAMED.findall(text)]


def _was_left(path: Path, text: bytes) -> bool:
    return b"#EXTINF" in text and _END not in text and time.time() - path.stat().st_mtime >= _STILL
