"""A source opened with FFmpeg: its pictures as they leave the decoder, and an honest account of what was lost."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, cast

import av
from av.codec.context import Flags
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from taplab.errors import SourceError
from taplab.timing import Stopwatch
from taplab.video.address import address_of, has_an_end, is_live
from taplab.video.h264 import H264Headers
from taplab.video.mpeg4 import Mpeg4Headers
from taplab.video.mpeg12 import Mpeg12Headers

TIMEOUT = 20.0  # seconds without an answer after which a stream counts as dead
# Codecs for which FFmpeg exports true vectors.
CODECS_WITH_VECTORS = ("mpeg4", "mpeg1video", "mpeg2video", "h263", "h263p", "flv", "flv1", "h264")


_Header = tuple[int, bool | None, bool, bool]  # rounding, refers, after_loss, corrupt


@dataclass(frozen=True)
class Picture:
    """A decoded picture with what its packet said about it.

    index: coded order; display order where the codec has no vectors. display: order in which the decoder gave it out.
    rounding: MPEG-4's rounding type. refers: whether others refer to it, None where the packet does not say.
    after_loss: a reference frame before it is missing from the stream. corrupt: its packet is broken.
    """

    index: int
    display: int
    frame: av.VideoFrame
    rounding: int = 0
    refers: bool | None = None
    after_loss: bool = False
    corrupt: bool = False


class Decoder:
    """Decodes the video stream of ``source`` that players show. Raises SourceError if there is none to decode.

    vectors: have FFmpeg export motion vectors where the codec has them (``has_vectors`` says whether it does).
    timeout: seconds that a stream or playlist may keep silent; files are waited for.
    """

    def __init__(self, source: str, stopwatch: Stopwatch, *, vectors: bool, timeout: float = TIMEOUT) -> None:
        self.source, self.stopwatch = source, stopwatch
        address = address_of(source)
        self.timeout = timeout if address.silent else None
        self.container = open_container(source, self.timeout)
        self.live, self.has_an_end = is_live(address, self.container), has_an_end(self.container)
        self.stream = the_video(self.container)
        context = self.stream.codec_context
        if context is None:
            self.container.close()
            raise SourceError(f"{source}: this FFmpeg has no decoder for its video; convert it to H.264 first")
        self.context = context
        self.codec: str = context.name
        self.in_coded_order = self.codec in CODECS_WITH_VECTORS
        self.has_vectors = vectors and self.in_coded_order
        # Only where slices are decoded side by side. A decoder that has threads of its own gives marks back on them,
        # which waits for Python's lock while closing it may hold that: dav1d then hangs. Also vectors go missing under
        # frame threading of H.264 with B-frames, and pictures of damaged streams differ from those of slices.
        context.copy_opaque = self.in_coded_order
        context.thread_type = "SLICE" if self.in_coded_order else "AUTO"
        if self.has_vectors:
            context.options = {"flags2": "+export_mvs"}
        is_mpeg12 = self.codec in ("mpeg1video", "mpeg2video")
        if is_mpeg12 and not context.has_b_frames:
            context.flags |= Flags.low_delay  # or the last frame comes without vectors
        self._mpeg12 = Mpeg12Headers() if is_mpeg12 else None
        self._mpeg4 = Mpeg4Headers(context.extradata) if self.codec == "mpeg4" else None
        self._h264 = H264Headers(context.extradata) if self.codec == "h264" else None
        self._headers: dict[int, _Header] = {}  # by coded index, until the picture comes
        self.failed: set[int] = set()  # coded indices that the decoder refused
        self._discarded: dict[int, bool] = {}  # by coded index, of packets that are not to be shown: key frame?
        self._lost_just_now = False
        self.given = 0  # pictures given out
        self.broke_off: str | None = None
        self.rate: Fraction | None = self.stream.average_rate
        # AVI has no presentation times: what comes is the order of decoding.
        self.has_pts = self.container.format.name != "avi" or not self.rate
        self.time_base = self.stream.time_base or Fraction(1, 1000)
        self.promised: int | None = self.stream.frames or None  # frames that the container says it holds
        self._tagged_frames = self._frames_by_tag()
        self.guessed_frames = self.promised or self._frames_by_duration()

    def _frames_by_tag(self) -> int | None:
        """From the duration of the video track that Matroska files carry: "00:01:02.345000000"."""
        try:
            hours, minutes, seconds = self.stream.metadata["DURATION"].split(":")
            start = float((self.stream.start_time or 0) * self.time_base)
            return (
                round((int(hours) * 3600 + int(minutes) * 60 + float(seconds) - start) * float(self.rate or 0)) or None
            )
        except (KeyError, ValueError):
            return None

    def _frames_by_duration(self) -> int | None:
        duration = self.container.duration  # microseconds
        return max(round(duration / 1e6 * float(self.rate)), 1) if duration and self.rate else None

    def pictures(self) -> Iterator[Picture]:
        """All pictures in display order. Errors of the stream are recorded, not raised."""
        for index, packet in enumerate(self._packets()):
            if packet is not None:
                if self.in_coded_order:
                    packet.opaque = (index,)  # one object a packet: a shared one comes back as None
                if packet.is_discard:
                    self._discarded[index] = packet.is_keyframe
                if self.in_coded_order:
                    self._headers[index] = self._read_header(packet)
            try:
                with self.stopwatch("decode"):
                    frames = self.context.decode(packet)
            except av.error.EOFError:
                return
            except av.error.FFmpegError as error:
                self.failed.add(index)
                self.broke_off = error.strerror
                self._lost_just_now = True
                continue
            for frame in frames:
                yield self._picture(frame)

    def _picture(self, frame: av.VideoFrame) -> Picture:
        if not self.in_coded_order:  # motion will be estimated from the picture shown before: display order will do
            lost, self._lost_just_now = self._lost_just_now, False
            self.given += 1
            return Picture(self.given - 1, self.given - 1, frame, after_loss=lost)
        opaque = frame.opaque
        index = opaque[0] if isinstance(opaque, tuple) else self.given
        header = self._headers.pop(index, (0, None, False, False))
        for old in [i for i in self._headers if i < index - 64]:
            del self._headers[old]  # packets that never gave a picture
        picture = Picture(index, self.given, frame, *header)
        self.given += 1
        return picture

    def _packets(self) -> Iterator["av.Packet[Any] | None"]:
        """The video packets, then None to flush the decoder. A stream that breaks off ends here."""
        packets = self.container.demux(self.stream)
        read = 0
        while True:
            try:
                with self.stopwatch("decode"):
                    packet = next(packets, None)
            except av.error.ExitError:
                self.broke_off = f"nothing came for {self.timeout:g} s" if self.timeout else "interrupted"
                break
            except av.error.FFmpegError as error:
                self.broke_off = error.strerror
                break
            if packet is not None and packet.has_sidedata("encryption_info"):
                self.broke_off = "it is encrypted; decrypt it first"
                break
            if packet is None or (packet.size == 0 and packet.dts is None):
                break
            read += 1
            if packet.size:
                yield packet
        if self.promised and read < self.promised:
            self.broke_off = self.broke_off or "the file ends early"
        elif self._tagged_frames and read < self._tagged_frames - 2:  # tags are rounded, the rate may vary a little
            self.promised = self._tagged_frames
            self.broke_off = self.broke_off or "the file ends early"
        yield None

    def _read_header(self, packet: "av.Packet[Any]") -> _Header:
        data, rounding, refers, after_loss, headless = bytes(packet), 0, None, False, False
        if self._mpeg4 is not None:
            rounding, refers = self._mpeg4(data)
        elif self._h264 is not None:
            refers, after_loss, headless = self._h264(data)
        elif self._mpeg12 is not None:
            refers, after_loss = self._mpeg12(data)
        return rounding, refers, after_loss, packet.is_corrupt or headless

    def why_missing(self, index: int) -> Literal["lost", "unneeded", "hidden", "hidden key"]:
        """Why no picture came of a packet.

        "unneeded": no other frame refers to it. "hidden": an edit list passes over it, so it is sound but not shown.
        """
        if index in self._discarded:
            return "hidden key" if self._discarded.pop(index) else "hidden"
        _, refers, _, _ = self._headers.pop(index, (0, None, False, False))
        return "unneeded" if refers is False else "lost"

    def several_references(self) -> bool:
        """May a P-frame be predicted from other frames than the last reference? Only H.264 can do that here."""
        return self._h264 is not None and self._h264.most_references > 1

    def close(self) -> None:
        """Releases the source; safe to call twice."""
        self.container.close()


def open_container(source: str, timeout: float | None = None) -> "av.container.InputContainer":
    """Opens a source that holds video. Raises SourceError with the reason and a remedy.

    timeout: seconds after which a source that does not answer is given up, likewise later when it is read.
    """
    started, address = time.monotonic(), address_of(source)
    try:
        container = av.open(address.url, format=address.format, options=address.options, timeout=timeout)
    except FileNotFoundError as error:
        what = "camera; ls /dev/video* shows those there are" if address.format == "v4l2" else "file; check the path"
        raise SourceError(f"{source}: no such {what}") from error
    except (av.error.FFmpegError, OSError) as error:
        if timeout is not None and time.monotonic() - started >= timeout:
            raise SourceError(
                f"{source}: no answer for {timeout:g} s; check the address, or raise the timeout"
            ) from error
        if isinstance(error, av.error.InvalidDataError | av.error.EOFError):
            why = "not a video file, or cut off before its index"
            raise SourceError(f"{source}: {why}; check it with ffprobe") from error
        raise SourceError(f"{source}: cannot be opened ({error.strerror})") from error
    if not any(map(_is_video, container.streams)):
        kinds = ", ".join(sorted({"cover picture" if s.type == "video" else s.type for s in container.streams})) or "no"
        container.close()
        raise SourceError(f"{source}: holds {kinds} streams only, no video; give a file with pictures")
    return container


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
