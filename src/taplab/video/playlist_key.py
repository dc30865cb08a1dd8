"""Encrypted playlists: FFmpeg does not say that it misses their key; it waits, or takes what it reads for nonsense."""

import re
from http.client import HTTPException
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urljoin
from urllib.request import urlopen

_KEY = re.compile(rb'#EXT-X-KEY:METHOD=(?:AES|SAMPLE)[^\n]*URI="([^"]+)"')
_MOST = 1 << 20  # bytes of a playlist that are searched
_FAILURES = (OSError, ValueError, HTTPException)


def why_no_key(source: str, timeout: float) -> str | None:
    """Why the key of an encrypted playlist cannot be had, with a remedy; None where it can, or where there is none."""
    of_disk = "://" not in source
    at = Path(source).absolute().as_uri() if of_disk else source
    try:
        with urlopen(at, timeout=timeout) as playlist:
            found = _KEY.search(playlist.read(_MOST))
    except _FAILURES:
        return None
    if found is None:
        return None
    key = urljoin(at, found[1].decode(errors="replace"))
    if of_disk and not key.startswith("file:"):
        return f"FFmpeg does not fetch the key of a file from {key}; save it beside the file and put its name in there"
    try:
        with urlopen(key, timeout=timeout):
            return None
    except _FAILURES as error:
        return f"its key cannot be had: {key} ({error.reason if isinstance(error, URLError) else error})"
