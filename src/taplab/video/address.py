"""What the name of a source says: how FFmpeg is to open it, and whether it sets its own pace."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import av

_STREAMS = ("rtsp", "rtsps", "rtmp", "rtmps", "rtp", "udp", "tcp", "srt")  # schemes of sources that do not wait
_UNCERTAIN = ("http", "https")  # a file, a playlist or a stream: seen once it is open
_LIST = re.compile(rb"(\s*#.*\n)*\s*(ffconcat version|file\s)")  # of files that are to be read one after another
_PROTOCOL = "file:"
STDIN = ("-", "pipe:", "pipe:0")
OF_FFMPEG = ("file:", "concat:", "subfile,")  # beginnings that FFmpeg knows for local files
_CAMERA = re.compile(r"camera:(\d+)|(/dev/video\d+)")


@dataclass(frozen=True)
class Address:
    """How to open a source.

    url: for FFmpeg. live: it sets its own pace, does not (a file), or None: ``is_live`` tells once it is open. silent:
    reading may hang, so that it needs a time limit. format: the one that must be named to FFmpeg. options: of the
    protocol.
    """

    url: str
    live: bool | None = False
    silent: bool = False
    format: str | None = None
    options: dict[str, str] = field(default_factory=dict)


def local_path(source: str) -> str:
    """Without "file:"."""
    return source.removeprefix(_PROTOCOL)


def address_of(source: str) -> Address:
    """A camera is "camera:0" or "/dev/video0", standard input "-"; what has no scheme is a file or folder."""
    if source in STDIN:
        return Address("pipe:0")
    camera = _CAMERA.fullmatch(source)
    if camera is not None:
        return Address(camera[2] or f"/dev/video{camera[1]}", live=True, silent=True, format="v4l2")
    scheme, separator, _ = source.partition("://")
    scheme = scheme.lower()
    if not separator:
        return _local(source)
    if scheme in _STREAMS:
        return Address(source, live=True, silent=True, options=_options(scheme))
    return Address(source, live=None if scheme in _UNCERTAIN else False, silent=True, options=_options(scheme))


def _local(source: str) -> Address:
    there = Path(source).is_file()
    if there and _LIST.match(_head(source)):
        return Address(_PROTOCOL + source, format="concat", options={"safe": "0"})  # its paths may lead anywhere
    url = _PROTOCOL + source if there and ":" in source else source  # or FFmpeg takes "12:30.mp4" for a protocol
    if not source.lower().endswith(".m3u8"):
        return Address(url)
    # One without an end is read from its beginning as well; the name of a key ends as that of no video does.
    return Address(url, silent=True, options={"live_start_index": "0", "allowed_extensions": "ALL"})


def files_of(source: str) -> list[str]:
    """The path of a local source, and of a list those of what it lists."""
    path = local_path(source)
    if not (os.path.isfile(path) and _LIST.match(_head(path))):
        return [path]
    listed = re.findall(r"^\s*file\s+(?:'([^']*)'|(\S+))", Path(path).read_text(errors="replace"), re.MULTILINE)
    return [path, *(str(Path(path).parent / local_path(quoted or plain)) for quoted, plain in listed)]


def _head(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(1024)
    except OSError:
        return b""


def _options(scheme: str) -> dict[str, str]:
    if scheme in ("rtsp", "rtsps"):
        return {"rtsp_flags": "prefer_tcp"}  # UDP where a camera offers nothing else
    if scheme == "udp":
        return {"overrun_nonfatal": "1"}  # what comes too fast is damage, not the end
    if scheme in _UNCERTAIN:
        # FFmpeg seeks on a connection that it told the server to close. Without a second try it then skips frames.
        return {"reconnect_on_network_error": "1", "reconnect_delay_max": "0"}
    return {}


def is_live(address: Address, container: "av.container.InputContainer") -> bool:
    """Whether an open source sets its own pace: one without an end in sight does, and a playlist that still grows.

    What comes without a length may be a recording, all the same: ``pace`` tells.
    """
    if address.live is not None:
        return address.live
    if container.format.name == "hls":
        return container.duration is None
    return has_no_length(address, container)


def has_no_length(address: Address, container: "av.container.InputContainer") -> bool:
    """It comes over HTTP, and how much there is was not said."""
    return has_no_size(address, container) and container.duration is None


def has_no_size(address: Address, container: "av.container.InputContainer") -> bool:
    """It comes over HTTP, and the server did not say how many bytes there are; the file itself may say how long it is.

    Not of playlists: their segments come one by one.
    """
    return address.live is None and container.size <= 0 and container.format.name != "hls"


def has_an_end(container: "av.container.InputContainer") -> bool:
    """May the end of what was read be the end of the source? Else the sender went away, and may come back.

    Where a length was announced ``Span`` tells whether it was reached. Over HTTP without one FFmpeg reads to the end
    where a connection breaks between two chunks, and to an error where HTTP/1.0 ends: both say nothing.
    """
    return container.duration is not None or container.format.name == "hls"
