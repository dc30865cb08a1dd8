"""How much of a source came, by the times at which it is presented, and whether that is what was announced."""

from fractions import Fraction
from typing import Any

import av

_FORGIVEN, _FORGIVEN_SHARE = 1.0, 0.05  # seconds, and of the length: RTSP gives the first packets no time


class Span:
    """From the first presentation of the packets that were added to the end of the last; ``seconds`` long."""

    def __init__(self) -> None:
        self._first: Fraction | None = None
        self._end = Fraction(0)

    def add(self, packet: "av.Packet[Any]") -> None:
        """In any order; one without a time does not count."""
        if packet.pts is None or packet.time_base is None:
            return
        start, end = packet.pts * packet.time_base, (packet.pts + (packet.duration or 0)) * packet.time_base
        self._end = end if self._first is None else max(self._end, end)
        self._first = start if self._first is None else min(self._first, start)

    @property
    def seconds(self) -> float:
        """0 where no packet had a time."""
        return 0.0 if self._first is None else float(self._end - self._first)

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
