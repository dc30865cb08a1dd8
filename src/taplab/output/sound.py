"""The sound of the source, copied into the overlay packet by packet."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Self

import av
import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer

from taplab.video.address import address_of
from taplab.video.playlist import ended

CODECS = ("aac", "mp3", "ac3", "eac3", "opus", "alac", "flac")  # what players take in an mp4
LEAD_IN = Fraction(1, 10)  # seconds of sound kept ahead of the first picture: decoders need a packet to settle


class Sound:
    """The first audio stream of a file, copied without decoding, in step with the pictures.

    ``attach`` before the output begins, ``begin`` with the first picture, then ``copy_until`` as time goes on.
    notes: gets one line for each thing that could not be copied.
    """

    def __init__(self, source: InputContainer, stream: AudioStream, notes: list[str]) -> None:
        self._source = source
        self._stream = stream
        self._notes = notes
        self._shift = Fraction(0)
        self._first: Fraction | None = None
        self._packets = self._timed()
        self._next: tuple[Fraction, av.Packet[Any]] | None = None

    @classmethod
    def of(cls, path: str, notes: list[str]) -> Self | None:
        """The sound of a file, or None where there is none that an mp4 can carry."""
        address = address_of(path)
        try:
            source = av.open(
                address.url,
                format=address.format,
                options=address.options,
                io_open=ended(path),
                metadata_errors="replace",  # titles may be in any encoding
            )
        except (av.error.FFmpegError, OSError) as error:
            notes.append(f"sound left out: {path} cannot be read a second time ({error.strerror})")
            return None
        if source.streams.audio:
            stream = source.streams.audio[0]
            context: Any = stream.codec_context  # None where FFmpeg has no decoder
            codec = None if context is None else context.codec.canonical_name
            if codec in CODECS:
                return cls(source, stream, notes)
            why = "FFmpeg does not know its codec" if codec is None else f"players take no {codec} in an mp4"
            notes.append(f"sound left out: {why}; convert it to aac to keep it")
        source.close()
        return None

    def attach(self, output: OutputContainer) -> None:
        """Add the stream to a file that has not begun."""
        self._output = output
        self._target = output.add_stream_from_template(self._stream)

    def begin(self, first: Fraction, shift: Fraction) -> None:
        """``first``: time of the first picture in the source; ``shift``: what is added to every time. In seconds."""
        self._first, self._shift = first, shift
        self._next = next(self._packets, None)

    def copy_until(self, seconds: Fraction) -> None:
        """Write every packet that begins before ``seconds`` in the output."""
        while self._next is not None and self._next[0] < seconds:
            packet = self._next[1]
            packet.stream = self._target
            try:
                self._output.mux(packet)
            except (av.error.InvalidDataError, av.error.ArgumentError) as error:  # not of the disk
                self._ends_early(error)
                self._next = None
                return
            self._next = next(self._packets, None)

    def close(self) -> None:
        """Let go of the source."""
        self._next = None
        self._source.close()

    def _timed(self) -> "Iterator[tuple[Fraction, av.Packet[Any]]]":
        """Packets from the first picture on, shifted, each with its time in the output in seconds."""
        assert self._first is not None
        last: int | None = None
        for packet in self._demuxed():
            if packet.dts is None:
                continue  # the empty packet at the end
            tick, shift = packet.time_base, round(self._shift / packet.time_base)
            if packet.dts * tick < self._first - LEAD_IN:
                continue
            if last is not None and packet.dts + shift <= last:
                self._notes.append(f"sound left out from {float(last * tick):.2f} s on: its timestamps jump back there")
                return
            packet.pts = (packet.dts if packet.pts is None else packet.pts) + shift
            packet.dts = last = packet.dts + shift
            yield last * tick, packet

    def _demuxed(self) -> "Iterator[av.Packet[Any]]":
        try:
            yield from self._source.demux(self._stream)
        except (av.error.FFmpegError, OSError) as error:
            self._ends_early(error)
        except IndexError:  # PyAV's, where damage made one more stream
            return

    def _ends_early(self, error: Exception) -> None:
        self._notes.append(
            f"Sound ends early: it cannot be read to its end ({getattr(error, 'strerror', None) or error})."
        )
