"""Opening a source with FFmpeg, and the stream in it that players show."""

import time
from functools import partial
from pathlib import Path
from typing import cast

import av
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from taplab.errors import SourceError
from taplab.interrupt import interruptible
from taplab.video.address import STDIN, Address, address_of
from taplab.video.playlist import ended, is_playlist
from taplab.video.playlist_key import why_no_key
from taplab.video.refused import why_refused
from taplab.video.transport import BUFFER, Part

_FOR_A_KEY = 5.0  # seconds at most, to find out whether a playlist's key is there
_LOOKED_AHEAD = 10.0  # seconds, at most and with some to spare


class NoVideoError(SourceError):
    """What was opened holds no pictures."""


def open_container(
    source: str, timeout: float | None = None, part: Part | None = None
) -> "av.container.InputContainer":
    """Opens a source that holds video. Raises SourceError with the reason and a remedy, NoVideoError for sound only.

    part: of a file, to be read instead; closed where it cannot be.
    timeout: seconds after which a source that does not answer is given up, likewise later when it is read. With
    one Ctrl-C interrupts at once while the source is waited for.
    """
    try:
        return _open(source, timeout, part)
    except BaseException:
        if part is not None:
            part.close()
        raise


def open_part(source: str, size: int, start: int) -> "tuple[av.container.InputContainer, Part, int]":
    """What begins at byte ``start`` of a file of packets of ``size`` bytes; behind parts that hold nothing but sound.

    Returns how many of those were passed over, too. Raises SourceError, NoVideoError where no others come.
    """
    passed_over = 0
    while True:
        part = Part(source, size, start)
        try:
            return open_container(source, part=part), part, passed_over
        except NoVideoError:
            with part.again() as sound:
                begin = sound.first_video()
            if begin is None or begin <= start:
                raise
        start, passed_over = begin, passed_over + 1


def _open(source: str, timeout: float | None, part: Part | None) -> "av.container.InputContainer":
    started, address = time.monotonic(), address_of(source)
    options = address.options | _looking_ahead(address, timeout)
    read = partial(av.open, metadata_errors="replace")  # titles may be in any encoding
    opened = partial(read, address.url, format=address.format, options=options, timeout=timeout, io_open=ended(source))
    if part is not None:
        opened = partial(read, part, buffer_size=BUFFER)
    try:
        container = opened() if timeout is None else interruptible(opened, av.container.InputContainer.close)
    except (av.error.FFmpegError, OSError) as error:
        timed_out = timeout is not None and time.monotonic() - started >= timeout
        why = why_refused(source, address, error)
        if is_playlist(source) and (no_key := why_no_key(source, min(timeout or _FOR_A_KEY, _FOR_A_KEY))):
            why = no_key
        elif timed_out:
            why = f"no answer for {timeout:g} s; check the address, or raise the timeout"
        raise SourceError(f"{source}: {why}") from error
    if not any(map(_is_video, container.streams)):
        why = _why_no_video(container)
        container.close()
        raise NoVideoError(f"{source}: {why}")
    return container


def _looking_ahead(address: Address, timeout: float | None) -> dict[str, str]:
    """How much FFmpeg reads of a stream to learn what is in it: five seconds, at times seven, of RTMP up to 90.

    Less than may pass before it is given up: cut short in the middle of a packet, RTMP is not understood any more.
    """
    if timeout is None or not address.live or (timeout > _LOOKED_AHEAD and not address.url.startswith("rtmp")):
        return {}
    return {"analyzeduration": f"{min(timeout / 2, 5.0) * 1e6:.0f}"}


def _why_no_video(container: "av.container.InputContainer") -> str:
    kinds = ", ".join(sorted({"cover picture" if s.type == "video" else s.type for s in container.streams})) or "no"
    held = f"holds {kinds} streams only, no video"
    if container.format.name == "mpegts" and "bin_data" in {getattr(s, "name", "") for s in container.streams}:
        unread = "AV1 and VP9, which FFmpeg does not read from transport streams, look like that"
        return f"{held} that FFmpeg knows; {unread}: give them as .mp4 or .mkv"
    return f"{held}; give one with pictures"


def check_index_comes_first(source: str, error: av.error.FFmpegError | None) -> None:
    """Raises SourceError if an mp4 of which nothing could be read comes in one direction only: its index is its end."""
    if source in STDIN or Path(source).is_fifo():
        why, remedy = "its index comes last, and what is piped is read once", "give the file by name"
    elif source.lower().startswith(("http://", "https://")):
        why, remedy = "its index comes last, and its server hands it out only from the beginning", "download it first"
    else:
        return
    first = "put the index first: ffmpeg -i IN.mp4 -c copy -movflags +faststart OUT.mp4"
    raise SourceError(f"{source}: {why}; {remedy}, or {first}") from error


def the_video(container: "av.container.InputContainer") -> VideoStream:
    """Of several video streams the one that FFmpeg thinks best: default ones first, then the one with most frames.

    Pictures that are attached, such as the cover of an album, are none.
    """
    best = container.streams.best("video")
    if best is None or not _is_video(best):
        best = next(filter(_is_video, container.streams))
    return cast(VideoStream, best)


def _is_video(stream: Stream) -> bool:
    return stream.type == "video" and not stream.disposition & Disposition.attached_pic
