"""How much of a source came, by the times at which it is presented, and whether that is what was announced."""

import heapq
from fractions import Fraction
from typing import Any

import av

_HOLE = 0.5  # seconds between two packets from which on something is missing there
_FORGIVEN, _FORGIVEN_SHARE = 1.0, 0.05  # seconds, and of the length: RTSP gives the first packets no time
_REORDERED = 17  # packets that may wait for one that is shown before them
_UNEVEN = 0.1  # share of steps at a constant rate that losses may have made longer


class Span:
    """From the first presentation of the packets that were added to the end of the last; ``seconds`` long."""

    def __init__(self) -> None:
        self._tick: float | None = None  # seconds, as all that follows: fractions took longer than a small picture
        self._first: float | None = None
        self._end = 0.0
        self._next: float | None = None  # when the packet after the last is to be decoded
        self._holes = self._held = 0.0  # between packets, and of packets

    def add(self, packet: "av.Packet[Any]") -> None:
        """In any order; one without a time does not count."""
        if packet.pts is None or (tick := self._tick or _seconds(packet)) is None:
            return
        self._tick = tick
        start, length = packet.pts * tick, (packet.duration or 0) * tick
        end = start + length
        self._add_hole(None if packet.dts is None else packet.dts * tick, length)
        self._end = end if self._first is None else max(self._end, end)
        self._first = start if self._first is None else min(self._first, start)

    @property
    def begin(self) -> float:
        """Seconds at which the first is shown; 0 where no packet had a time."""
        return self._first or 0.0

    @property
    def end(self) -> float:
        """Seconds at which the last is over; 0 where no packet had a time."""
        return self._end

    @property
    def seconds(self) -> float:
        """0 where no packet had a time."""
        return 0.0 if self._first is None else self._end - self._first

    def _add_hole(self, due: float | None, length: float) -> None:
        if due is not None and self._next is not None and due - self._next > _HOLE:
            self._holes += due - self._next
        self._next, self._held = None if due is None else due + length, self._held + length

    def missing(self, duration: int | None) -> float:
        """Seconds that are missing in the middle, of ``duration`` in microseconds; 0 where that is not known."""
        left = (duration or 0) / 1e6 - self._held
        return min(self._holes, left) if left > _HOLE else 0.0

    def ends_short_of(self, duration: int | None) -> str | None:
        """What to tell where this is clearly shorter than ``duration`` in microseconds; None where one is not known.

        A second, or 5 % of the length if that is more, is forgiven.
        """
        if duration is None or self._first is None:
            return None
        length = duration / 1e6
        if self.seconds >= length - max(_FORGIVEN, _FORGIVEN_SHARE * length):
            return None
        return f"ends after {self.seconds:.1f} s of {length:.4g} s"


def _seconds(packet: "av.Packet[Any]") -> float | None:
    """Of a tick; the same for all packets of a stream."""
    return None if packet.time_base is None else float(packet.time_base)


class Steps:
    """From each presentation to the next, at ``rate`` frames a second: do they keep to it, but for a few?"""

    def __init__(self, rate: Fraction | None) -> None:
        self._length = float(1 / rate) if rate else None  # seconds
        self._tick: float | None = None
        self._waiting: list[float] = []
        self._last: float | None = None
        self._even = self._uneven = 0

    def add(self, packet: "av.Packet[Any]") -> None:
        """In coded order; one without a time does not count."""
        if self._length is None or packet.pts is None or (tick := self._tick or _seconds(packet)) is None:
            return
        self._tick = tick
        heapq.heappush(self._waiting, packet.pts * tick)
        if len(self._waiting) > _REORDERED:
            self._show(heapq.heappop(self._waiting), self._length)

    def constant(self) -> bool:
        """Of all that were added; where that is not known, no."""
        while self._length and self._waiting:
            self._show(heapq.heappop(self._waiting), self._length)
        return self._even > 0 and self._uneven <= _UNEVEN * (self._even + self._uneven)

    def _show(self, time: float, length: float) -> None:
        if self._last is not None:
            even = abs(time - self._last - length) < length / 4
            self._even, self._uneven = self._even + even, self._uneven + (not even)
        self._last = time
