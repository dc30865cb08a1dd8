"""How much a container says it holds, and whether that came."""

from fractions import Fraction
from typing import Any

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from taplab.video.span import Span, Steps

_NO_TIMES = 0x80  # AVFMT_NOTIMESTAMPS
_ROUNDED = 2  # frames by which a count made of a duration may be wrong


def rate_of(stream: VideoStream) -> Fraction | None:
    """Frames a second, about: FFmpeg's mean, or its guess where that is none.

    Of raw streams the mean is 25, whatever they say; of files that have two or more ticks to a frame (AVI, DV) it
    counts the ticks.
    """
    mean, base = stream.average_rate, stream.base_rate
    if not mean or not base:
        return mean
    is_raw = bool(stream.container.format.flags & _NO_TIMES)
    return stream.guessed_rate if is_raw or mean >= 2 * base else mean


class Promise:
    """frames: that the container says it holds, None where it does not. hidden: of them, that are not to be shown.

    guess: how many are, or about, by its duration. read: packets so far.
    """

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self._container, self._stream = container, stream
        rate = self._rate = rate_of(stream)
        # AVI has no presentation times but slots of time; one without a frame has no packet.
        self._in_slots = container.format.name == "avi" and bool(rate)
        self.frames: int | None = stream.frames or None
        if self.frames and container.format.name == "ivf":  # older FFmpeg wrote ticks there
            ticks_in_frames = self.frames * (stream.time_base or 0) * (rate or stream.base_rate or 0)
            self.frames = min(self.frames, round(ticks_in_frames)) or None
        self.hidden = self._hidden_by_edit_list() if container.format.name.startswith("mov") else 0
        self._end = self._end_by_tag()
        duration = container.duration  # microseconds
        by_duration = max(round(duration / 1e6 * float(rate)), 1) if duration and rate else None
        self.guess = self.frames - self.hidden if self.frames else by_duration
        self.read = 0
        self._last_slot = 0
        self._step = 0  # slots between packets at the least: every second one is empty at twice the rate
        self._span, self._steps = Span(), Steps(rate)

    def _hidden_by_edit_list(self) -> int:
        """FFmpeg drops from its index whole GOPs that an edit list cuts, and marks what else is not to be shown."""
        entries = self._stream.index_entries
        if not self.frames or not len(entries):
            return 0
        self.frames = min(self.frames, len(entries))
        return sum(entry.is_discard for entry in entries)

    def add(self, packet: "av.Packet[Any]") -> None:
        """A packet came."""
        slot, self.read = packet.dts or 0, self.read + 1
        if slot > self._last_slot:
            self._step = min(self._step or slot, slot - self._last_slot)
            self._last_slot = slot
        self._span.add(packet)
        if self._end:
            self._steps.add(packet)

    def broken(self, *, live: bool) -> str | None:
        """At the end: what to tell if less came. live: the source sets its own pace."""
        if self.frames and self._in_slots:
            self.frames -= max(self._last_slot + max(self._step, 1) - self.read, 0)
        if self.frames and self.read < self.frames:
            return "the file ends early"
        if self._end and self._rate and (why := self._short_of(self._end, self._rate)):
            return why
        is_playlist, duration = self._container.format.name == "hls", self._container.duration
        short = self._span.ends_short_of(duration) if live or is_playlist else None
        missing = self._span.missing(duration) if is_playlist else 0.0
        if short is None and missing:
            self.frames = self.read + round(missing * float(self._rate or 0))
            return f"{missing:.1f} s are missing in the middle"
        return short

    def _short_of(self, end: float, rate: Fraction) -> str | None:
        """What to tell if the packets end before ``end`` (seconds), or some before are missing.

        Only at a constant rate is a hole a loss.
        """
        behind = round((end - self._span.end) * rate)
        missing = round((end - self._span.begin) * rate) - self.read if self._steps.constant() else behind
        if missing <= _ROUNDED:
            return None
        self.frames = self.read + missing
        return "the file ends early" if behind > _ROUNDED else "packets are missing in the middle"

    def _end_by_tag(self) -> float | None:
        """Seconds, that Matroska files carry for the video track: "00:01:02.345000000"."""
        try:
            hours, minutes, seconds = self._stream.metadata["DURATION"].split(":")
            return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
        except (KeyError, ValueError):
            return None
