"""Why FFmpeg did not open a source, with the remedy."""

import av

from taplab.errors import SourceError
from taplab.video.address import Address
from taplab.video.playlist import is_playlist

_HANDED_ON = "-c copy -f mpegts tcp://127.0.0.1:5000, and give tcp://127.0.0.1:5000?listen=1"

_BARE = (".yuv", ".cif", ".qcif", ".rgb")


def no_frame(source: str, broke_off: str | None = None) -> SourceError:
    """Of a source that could be opened. broke_off: why it ended, if that is known."""
    why = f" ({broke_off})" if broke_off else ""
    return SourceError(f"{source}: not one frame could be decoded{why}; check it with ffprobe")


def why_refused(source: str, address: Address, error: av.error.FFmpegError | OSError) -> str:
    """One line, without the name of the source."""
    scheme, is_url, rest = source.partition("://")
    if isinstance(error, FileNotFoundError):
        camera = "camera; ls /dev/video* shows those there are"
        return f"no such {camera if address.format == 'v4l2' else 'file; check the path'}"
    if isinstance(error, av.error.ProtocolNotFoundError):
        told = f"this FFmpeg does not know {scheme}://; check the spelling"
        return f"{told}, or have a command that knows it hand it on: ffmpeg -i {source} {_HANDED_ON}"
    if isinstance(error, av.error.InvalidDataError | av.error.EOFError):
        return f"{_no_video(source, is_url=bool(is_url))}; check it with ffprobe"
    remedy = "check that it can be read, as with ffprobe"
    if address.format == "v4l2":
        remedy = "check that it is a camera, that no other program has it, and that you may read it: ls -l /dev/video*"
    elif isinstance(error, av.error.HTTPUnauthorizedError):
        remedy = f"give a user and password that are right: {scheme}://USER:PASSWORD@{rest.rpartition('@')[2]}"
    elif source.lower().endswith(_BARE):
        size = "-f rawvideo -pixel_format yuv420p -video_size WIDTHxHEIGHT"
        remedy = f"bare pixels do not tell their size: ffmpeg {size} -i {source} OUT.y4m"
    elif is_url:
        remedy = "check the address, and that its server or sender is running"
    return f"cannot be opened ({error.strerror}); {remedy}"


def _no_video(source: str, *, is_url: bool) -> str:
    if is_playlist(source):
        return "not a playlist, or FFmpeg cannot or may not read its segments or their key"
    return "what is sent there is not video" if is_url else "not a video file, or cut off before its index"
