"""A source opened with FFmpeg: its pictures as they leave the decoder, and an honest account of what was lost."""

import errno
import time
from collections.abc import Generator, Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext

from taplab.errors import SourceError
from taplab.threads import decoding_threads
from taplab.timing import Stopwatch
from taplab.video.address import address_of, has_an_end, has_no_length, is_live
from taplab.video.container import check_index_comes_first, open_container, open_part, the_video
from taplab.video.gops import Packet, Played, Tape, pieces
from taplab.video.headers import Headers
from taplab.video.mpeg12 import MPEG12
from taplab.video.mute import MOST, Mute
from taplab.video.pace import Incoming, keeps_time
from taplab.video.pieces import Decoded, SideBySide, index_of
from taplab.video.promise import Promise, rate_of
from taplab.video.seams import begins_anew, goes_on, last_marked, lies_between, unmarked_at_seams
from taplab.video.transport import Part, packet_size

_WAITING = 1 << 30  # bytes of pictures that may wait where GOPs are decoded side by side, about
TIMEOUT = 20.0  # seconds without an answer after which a stream counts as dead
# Codecs for which FFmpeg exports true vectors.
CODECS_WITH_VECTORS = ("mpeg4", "mpeg1video", "mpeg2video", "h263", "h263p", "flv", "flv1", "h264")


@dataclass(frozen=True)
class Picture:
    """A decoded picture with what its packet said about it.

    index: coded order; display order where the codec has no vectors. display: order in which the decoder gave it out.
    rounding: MPEG-4's rounding type. refers: whether others refer to it, None where the packet does not say.
    after_loss: a reference frame before it is missing from the stream. corrupt: its packet is broken. said_key: its
    packet says that decoding can begin here, and the decoder does not deny it.
    """

    index: int
    display: int
    frame: av.VideoFrame
    rounding: int = 0
    refers: bool | None = None
    after_loss: bool = False
    corrupt: bool = False
    said_key: bool = False

    @property
    def is_key(self) -> bool:
        """By its decoder; by its packet where that does not tell, as those of Flash Screen Video or QuickTime RLE."""
        return self.frame.key_frame or self.said_key


class Decoder:
    """Decodes the video stream of ``source`` that players show. Raises SourceError if there is none to decode.

    vectors: have FFmpeg export motion vectors where the codec has them (``has_vectors`` says whether it does).
    timeout: seconds that a stream or playlist may keep silent; files are waited for. threads: GOPs of a file that are
    decoded side by side where it can be cut safely, as ``decoding_threads`` says by default. start: byte of a file at
    which to begin. known_live: it was opened before, and set its own pace.
    """

    def __init__(
        self,
        source: str,
        stopwatch: Stopwatch,
        *,
        vectors: bool,
        timeout: float = TIMEOUT,
        threads: int | None = None,
        start: int = 0,
        known_live: bool = False,
    ) -> None:
        self.source, self.stopwatch, began = source, stopwatch, time.monotonic()
        address, size = address_of(source), packet_size(source)
        self.timeout = timeout if address.silent else None
        self._part: Part | None = None
        self.passed_over = 0  # parts without pictures
        if size is None:
            self.container = open_container(source, self.timeout)
        else:
            self.container, self._part, self.passed_over = open_part(source, size, start)
        self.live, self.has_an_end = is_live(address, self.container), has_an_end(self.container)
        self.stream = the_video(self.container)
        self.incoming = Incoming(self.container.demux(self.stream))
        self.has_no_length = has_no_length(address, self.container)
        if self.live and self.has_no_length and not known_live and keeps_time(self.container):
            self.live = not self.incoming.outruns_the_clock(began)
        context = self.stream.codec_context
        if context is None:
            self.close()
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
        if self.codec == "h264":
            # Threads turn FFmpeg's error resilience off, and with it the news that a slice did not decode. They gain
            # little: nearly all streams have one slice a picture.
            context.thread_count = 1
        if self.has_vectors:
            context.options = {"flags2": "+export_mvs"}
        if self.codec in MPEG12 and not context.has_b_frames:
            context.flags |= Flags.low_delay  # or the last frame comes without vectors
        self.headers = Headers(self.codec, context.extradata, marked=self.in_coded_order)
        self.failed: set[int] = set()  # coded indices that the decoder refused
        self._lost_just_now = False
        self.given = 0  # pictures given out
        self._held_back = MOST  # pictures that the decoder may hold
        self.mute = Mute()
        self.threads = decoding_threads() if threads is None else threads
        self._stopped_by: str | None = None  # why reading ended
        self.end_unsaid = False  # the server of what has no length closed the connection, as it does at the end, too
        self._ends_early: str | None = None
        self.broke_off: str | None = None
        self.rate: Fraction | None = rate_of(self.stream)
        # AVI has no presentation times: what comes is the order of decoding.
        self.has_pts = self.container.format.name != "avi" or not self.rate
        self.time_base = self.stream.time_base or Fraction(1, 1000)
        self.promise = Promise(self.container, self.stream)

    def pictures(self) -> Iterator[Picture]:
        """All pictures in display order. Errors of the stream are recorded, not raised."""
        packets, part = self._packets(), self._part
        if part is not None and not self.in_coded_order:  # such decoders keep silent about an end that was cut off
            packets = last_marked(packets, part.is_cut_off)
        packets = unmarked_at_seams(packets, self._is_seam)
        tape, given = Tape(packets, marked=self.in_coded_order), set[int]()
        with closing(self._side_by_side(tape)) as side_by_side:
            for decoded in side_by_side:
                piece, frames = decoded.piece, decoded.frames
                if not self.headers.note_all([*piece.packets, *piece.following]):
                    break
                if piece.ends:
                    self._end()
                while frames:
                    yield self._picture(frames.popleft())
                if piece.ends:
                    return
                given = {index for index, _ in [*piece.packets, *piece.following[1:]]}
                tape.forget(before=min(given))  # the last piece is decoded again, for what a decoder remembers of it
        if given and min(given) > 0:
            tape.prime(self.context)
        yield from self._linear(tape.again(), given)

    def _is_seam(self, packet: Packet, before: Packet) -> bool:
        if self._part is not None and lies_between(self._part.joints, packet, before):
            return True
        if self.container.format.name == "hls" and goes_on(packet, before):
            return True
        return self.in_coded_order and begins_anew(packet, before)

    def _side_by_side(self, tape: Tape) -> Generator[Decoded]:
        """The beginning of the stream, as far as it can be cut into pieces; maybe all, maybe nothing."""
        if self.threads < 2 or not self.in_coded_order or self.timeout or self.live or not Path(self.source).is_file():
            return

        def new_decoder() -> VideoCodecContext:
            again = self._part.again() if self._part else nullcontext()
            with again as part, closing(open_container(self.source, part=part)) as container:
                context = the_video(container).codec_context
            context.flags, context.options = self.context.flags, dict(self.context.options)
            context.thread_count = 1  # then all that is broken is told
            tape.prime(context)
            return context

        most = max(_WAITING // (max(self.context.width * self.context.height, 1) * 3 // 2), 1)
        side_by_side = SideBySide(
            new_decoder, self.stopwatch, flushed=self.codec == "h264", threads=self.threads, most=most
        )
        yield from side_by_side(pieces(tape, self.codec, self.context.extradata, most // 2))

    def _linear(self, coded: Iterator[Played], given: set[int]) -> Iterator[Picture]:
        """Decodes packets one after another. given: coded indices of pictures that were given out before."""
        for index, packet in coded:
            if packet is None:
                self._end()
            else:
                self.headers.note(index, packet)
            frames: list[av.VideoFrame] = []
            try:
                with self.stopwatch("decode"):
                    frames = self.context.decode(packet)
                self._held_back = 0 if packet is None else MOST
            except av.error.EOFError:
                return
            except av.error.FFmpegError as error:
                if index not in given:
                    self.failed.add(index)
                    self.broke_off = error.strerror
                    self._lost_just_now = True
            for frame in frames:
                if index_of(frame) not in given:
                    yield self._picture(frame)
            if self.mute(packet, len(frames)):
                self.broke_off = self.broke_off or "no pictures come of its packets any more"
                if self.live:  # opened anew, it may be understood
                    self._stopped_by = self.broke_off
                    return

    def _end(self) -> None:
        """The last packet is decoded, or next."""
        self.broke_off = self._stopped_by or self.broke_off or self._ends_early

    def _picture(self, frame: av.VideoFrame) -> Picture:
        if not self.in_coded_order:  # motion will be estimated from the picture shown before: display order will do
            lost, self._lost_just_now = self._lost_just_now, False
            at, (corrupt, said_key) = self.given, self.headers.at(frame)
            self.given += 1
            return Picture(at, at, frame, after_loss=lost, corrupt=corrupt, said_key=said_key)
        opaque = frame.opaque
        index = opaque[0] if isinstance(opaque, tuple) else self.given
        picture = Picture(index, self.given, frame, *self.headers.take(index))
        self.given += 1
        return picture

    def _packets(self) -> Iterator["Packet | None"]:
        """The video packets, then None to flush the decoder. A stream that breaks off ends here."""
        while True:
            try:
                with self.stopwatch("decode"):
                    packet = next(self.incoming, None)
            except av.error.ExitError:
                self._stopped_by = f"nothing came for {self.timeout:g} s" if self.timeout else "interrupted"
                break
            except av.error.FFmpegError as error:
                if self.promise.read == 0 and self.container.format.name.startswith("mov"):
                    check_index_comes_first(self.source, error)
                self.end_unsaid = self.has_no_length and error.errno == errno.EIO
                self._stopped_by = None if self.end_unsaid else error.strerror
                break
            if packet is not None and packet.has_sidedata("encryption_info"):
                self._stopped_by = "it is encrypted; decrypt it first"
                break
            if packet is None or (packet.size == 0 and packet.dts is None):
                break
            self.promise.add(packet)
            if packet.size:
                yield packet
        self._ends_early = self.promise.broken(live=self.live)
        yield None

    @property
    def missing(self) -> int:
        """Pictures that did not come of their packets, as far as the codec tells."""
        return max(self.headers.due - self.given - self._held_back, 0)

    @property
    def ended(self) -> bool:
        """It was read to its end, with or without damage: not broken off, nor left by a sender that may come back."""
        return self.has_an_end and self._stopped_by is None and self._ends_early is None

    @property
    def rest(self) -> int | None:
        """Byte at which a file goes on behind a seam; None where it does not, or as long as that is not known."""
        return None if self._part is None else self._part.end

    def close(self) -> None:
        """Releases the source; safe to call twice."""
        self.container.close()
        if self._part is not None:
            self._part.close()
