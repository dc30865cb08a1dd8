"""What comes of a source, looked at as it comes: faster than it plays? the same as before?

That is how a recording is known whose server does not say how long it is.
"""

import time
from collections import deque
from collections.abc import Iterator
from typing import TypeAlias
from zlib import crc32

import av
from av.format import Flags

from taplab.video.gops import Packet
from taplab.video.span import Span

_LOOK = 1.0  # seconds to look at most, by the clock
_BURST = 5.0  # seconds of video that a server of a stream may have kept for who comes
_FIRST = 8  # packets by which a beginning is known

Beginning: TypeAlias = list[tuple[int | None, int]]  # time stamp and check sum of each packet


def keeps_time(container: "av.container.InputContainer") -> bool:
    """Its time stamps are its own, not counted up by FFmpeg."""
    return Flags.no_timestamps not in Flags(container.format.flags)


class Incoming:
    """The packets of an iterator, of which some may be looked at before they are due.

    beginning: of the first packets.
    """

    def __init__(self, packets: Iterator[Packet]) -> None:
        self._packets, self._held = packets, deque[Packet]()
        self._error: Exception | None = None  # after those that are held
        self.beginning: Beginning = []

    def __iter__(self) -> Iterator[Packet]:
        return self

    def __next__(self) -> Packet:
        if self._held:
            return self._held.popleft()
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        return self._next()

    def outruns_the_clock(self, since: float) -> bool:
        """Has clearly more video come than seconds went by ``since``, by time.monotonic(), or all of it, and more?

        At most a second is waited for that, and for one more packet.
        """
        span, end = Span(), time.monotonic() + _LOOK
        while span.seconds <= time.monotonic() - since + _BURST:
            if time.monotonic() > end:
                return False
            try:
                packet = self._next()
            except (StopIteration, av.error.FFmpegError) as error:
                self._error = error
                return span.seconds > time.monotonic() - since
            self._held.append(packet)
            span.add(packet)
        return True

    def _next(self) -> Packet:
        packet = next(self._packets)
        if len(self.beginning) < _FIRST and packet.size:
            self.beginning.append((packet.pts, crc32(packet)))
        return packet


def are_the_same(one: Beginning, other: Beginning) -> bool:
    """As far as both came."""
    return bool(one and other) and all(a == b for a, b in zip(one, other, strict=False))
