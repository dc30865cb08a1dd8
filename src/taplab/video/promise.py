"""How much a container says it holds, and whether that came."""

from fractions import Fraction
from typing import Any

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from taplab.video.span import Span

_ROUNDED = 2  # frames by which a count made of a duration may be wrong


class Promise:
    """frames: that the container says it holds, None where it does not. guess: the same, or about, by its duration.

    read: packets so far.
    """

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self._container, self._stream = container, stream
        rate = stream.average_rate
        # AVI has no presentation times but slots of time; one without a frame has no packet.
        self._in_slots = container.format.name == "avi" and bool(rate)
        self.frames: int | None = stream.frames or None
        self._tagged = self._frames_by_tag()
        duration = container.duration  # microseconds
        by_duration = max(round(duration / 1e6 * float(rate)), 1) if duration and rate else None
        self.guess = self.frames or by_duration
        self.read = 0
        self._last_slot = 0
        self._step = 0  # slots between packets at the least: every second one is empty at twice the rate
        self._span = Span()

    def add(self, packet: "av.Packet[Any]") -> None:
        """A packet came."""
        slot, self.read = packet.dts or 0, self.read + 1
        if slot > self._last_slot:
            self._step = min(self._step or slot, slot - self._last_slot)
            self._last_slot = slot
        self._span.add(packet)

    def broken(self, *, live: bool) -> str | None:
        """At the end: what to tell if less came. live: the source sets its own pace."""
        if self.frames and self._in_slots:
            self.frames -= max(self._last_slot + max(self._step, 1) - self.read, 0)
        if self.frames and self.read < self.frames:
            return "the file ends early"
        if self._tagged and self.read < self._tagged - _ROUNDED:
            self.frames = self._tagged
            return "the file ends early"
        is_playlist, duration = self._container.format.name == "hls", self._container.duration
        short = self._span.ends_short_of(duration) if live or is_playlist else None
        missing = self._span.missing(duration) if is_playlist else 0.0
        if short is None and missing:
            self.frames = self.read + round(missing * float(self._stream.average_rate or 0))
            return f"{missing:.1f} s are missing in the middle"
        return short

    def _frames_by_tag(self) -> int | None:
        """From the duration of the video track that Matroska files carry: "00:01:02.345000000"."""
        stream, rate = self._stream, self._stream.average_rate
        try:
            hours, minutes, seconds = stream.metadata["DURATION"].split(":")
            start = (stream.start_time or 0) * (stream.time_base or Fraction(0))
            length = int(hours) * 3600 + int(minutes) * 60 + float(seconds) - float(start)
        except (KeyError, ValueError):
            return None
        return round(length * float(rate or 0)) or None
