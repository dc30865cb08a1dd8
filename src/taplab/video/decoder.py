"""A source opened with FFmpeg: its pictures as they leave the decoder, and an honest account of what was lost."""

import errno
import time
from collections.abc import Generator, Iterator
from contextlib import closing, nullcontext
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
from av.video.codeccontext import VideoCodecContext

from taplab.errors import SourceError
from taplab.interrupt import interruptible
from taplab.threads import decoding_threads
from taplab.timing import Stopwatch
from taplab.video.address import address_of, has_an_end, has_no_length, has_no_size, is_live
from taplab.video.codec import CODECS_WITH_VECTORS, prepare
from taplab.video.container import check_index_comes_first, open_container, open_part, the_video
from taplab.video.frame_threads import FILLER, filled
from taplab.video.gops import Packet, Played, Tape, pieces
from taplab.video.headers import Headers
from taplab.video.mute import MOST, Mute
from taplab.video.pace import Incoming, keeps_time
from taplab.video.picture import Picture
from taplab.video.pieces import Decoded, SideBySide, index_of
from taplab.video.promise import Promise, rate_of
from taplab.video.reading import TIMEOUT
from taplab.video.seams import begins_anew, goes_on, last_marked, lies_between, unmarked_at_seams
from taplab.video.share import Gaps, Share
from taplab.video.times import MOST_AHEAD, Times
from taplab.video.transport import Part, packet_size

_WAITING = 1 << 30  # bytes of pictures that may wait where GOPs are decoded side by side, about
_WAITING_AT_LEAST = 96  # pictures that may wait in each of many processes: with fewer no GOP is decoded ahead
_WITHOUT_KEYS = ("roqvideo",)  # neither packets nor the decoder say what is a key frame: the first picture is one


class Decoder:
    """Decodes the video stream of ``source`` that players show. Raises SourceError if there is none to decode.

    vectors: have FFmpeg export motion vectors where the codec has them (``has_vectors`` says whether it does).
    timeout: seconds that a stream or playlist may keep silent; files are waited for. threads: GOPs of a file that are
    decoded side by side where it can be cut safely, as ``decoding_threads`` says by default. start: byte of a file at
    which to begin. known_live: it was opened before, and set its own pace. share: of a file that ``is_divisible``, what
    is decoded; else all is in the first.
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
        share: Share | None = None,
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
        self._has_no_size = has_no_size(address, self.container)
        if self.live and self.has_no_length and not known_live and keeps_time(self.container):
            look = partial(self.incoming.outruns_the_clock, began)
            self.live = not interruptible(look, lambda _: self.container.close())
        context = self.stream.codec_context
        if context is None:
            self.close()
            raise SourceError(f"{source}: this FFmpeg has no decoder for its video; convert it to H.264 first")
        self.context = context
        self.codec: str = context.name
        self.in_coded_order = self.codec in CODECS_WITH_VECTORS
        self.has_vectors = vectors and self.in_coded_order
        prepare(context, vectors=vectors)
        self.headers = Headers(self.codec, context.extradata, marked=self.in_coded_order)
        self.failed: set[int] = set()  # coded indices that the decoder refused
        self._begun = False  # a key packet or a picture came
        self.early: set[int] = set()  # of ``failed`` those before: of a stream that was joined in its middle
        self._refusal: str | None = None  # of the last of them
        self._lost_just_now = False
        self.given = 0  # pictures given out
        self._held_back = MOST  # pictures that the decoder may hold
        self.mute = Mute()
        self.threads = decoding_threads() if threads is None else threads
        self.share, self.gaps = share, Gaps()  # display positions that are not of the share
        self.left_to_others = False  # the file goes on, and this share does not
        self._stopped_by: str | None = None  # why reading ended
        self.end_unsaid = False  # the server of what has no length closed the connection, as it does at the end, too
        self._ends_early: str | None = None
        self.broke_off: str | None = None
        self.rate: Fraction | None = rate_of(self.stream)
        self.time_base = self.stream.time_base or Fraction(1, 1000)
        self._in_slots = self.container.format.name == "avi"
        self._times = Times(in_slots=self._in_slots, step=round(1 / self.rate / self.time_base) if self.rate else 1)
        self.promise = Promise(self.container, self.stream)

    def pictures(self) -> Iterator[Picture]:
        """All pictures in display order. Errors of the stream are recorded, not raised."""
        packets, part = self._packets(), self._part
        if part is not None and not self.in_coded_order:  # such decoders keep silent about an end that was cut off
            packets = last_marked(packets, part.is_cut_off)
        packets = unmarked_at_seams(packets, self._is_seam)
        tape, given, group = Tape(packets, marked=self.in_coded_order), set[int](), 0
        with closing(self._side_by_side(tape)) as side_by_side:
            for decoded in side_by_side:
                piece = decoded.piece
                if not self.headers.note_all([*piece.packets, *piece.following]):
                    break
                if piece.ends and not piece.borrowed:
                    self._end()
                yield from self._pictures_of(decoded)
                if piece.borrowed:
                    continue
                if piece.ends:
                    return
                group = piece.group + piece.closes  # that goes on
                given = {index for index, _ in [*piece.packets, *piece.following[1:]]}
                tape.forget(before=min(given))  # the last piece is decoded again, for what a decoder remembers of it
        self.left_to_others = self.share is not None and not self.share.has(group)
        if self.left_to_others:
            return
        if given and min(given) > 0:
            tape.prime(self.context)
        yield from self._linear(tape.again(), given)

    def _pictures_of(self, decoded: Decoded) -> Iterator[Picture]:
        piece, frames = decoded.piece, decoded.frames
        if piece.borrowed:
            yield self._picture(frames.popleft(), elsewhere=True)
        elif piece.others:
            self.gaps.begin(self.given)
            self.given += len(piece.needed)
        leading = piece.leading  # behind a gap these are not among the frames
        while frames:
            picture = self._picture(frames.popleft(), leading=leading)
            if not frames and piece.closes and self.share is not None and not self.share.has(piece.group + 1):
                self.gaps.begin(self.given)  # before somebody can look for what follows the last of them
            yield picture

    def _is_seam(self, packet: Packet, before: Packet) -> bool:
        if self._part is not None and lies_between(self._part.joints, packet, before):
            return True
        if self.container.format.name == "hls" and goes_on(packet, before):
            return True
        return self.in_coded_order and begins_anew(packet, before)

    def _side_by_side(self, tape: Tape) -> Generator[Decoded]:
        """The beginning of the stream, as far as it can be cut into pieces; maybe all, maybe nothing."""
        if (self.threads < 2 and self.share is None) or not self.is_divisible:
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
        most = min(most, MOST_AHEAD // 2)  # besides, half as many are in a piece that is not cut yet
        longest = most // 2 if self.share is None else most  # for others, what is not cut is of no use
        cut = pieces(tape, self.codec, self.context.extradata, longest)
        others = 1 if self.share is None else self.share.of
        threads, most = max(self.threads // others, 1), max(most // others, min(most, _WAITING_AT_LEAST))
        flushed = self.codec == "h264"
        side_by_side = SideBySide(new_decoder, self.stopwatch, flushed=flushed, threads=threads, most=most)
        yield from side_by_side(cut if self.share is None else self.share.dealt(cut))

    @property
    def is_divisible(self) -> bool:
        """May it be cut into pieces, if it has key pictures to cut at?"""
        if not self.in_coded_order or self.timeout or self.live or not Path(self.source).is_file():
            return False
        return not (self.codec == "h264" and self._in_slots)  # what is given out by flushing has no slot

    def _linear(self, coded: Iterator[Played], given: set[int]) -> Iterator[Picture]:
        """Decodes packets one after another. given: coded indices of pictures that were given out before."""
        for index, packet in filled(coded, self.stream):
            if packet is None:
                self._end()
            elif packet.pts != FILLER:
                self.headers.note(index, packet)
                self._begun = self._begun or packet.is_keyframe or self.given > 0
            frames: list[av.VideoFrame] = []
            try:
                with self.stopwatch("decode"):
                    frames = self.context.decode(packet)
                self._held_back = 0 if packet is None else MOST
            except av.error.EOFError:
                return
            except av.error.FFmpegError as error:
                if index >= 0 and index not in given:
                    self._fail(index, error)
            for frame in frames:
                if index_of(frame) not in given and frame.pts != FILLER:
                    yield self._picture(frame)
            if self.mute(packet, len(frames)):
                self.broke_off = self.broke_off or "no pictures come of its packets any more"
                if self.live:  # opened anew, it may be understood
                    self._stopped_by = self.broke_off
                    return

    def _fail(self, index: int, error: av.error.FFmpegError) -> None:
        self.failed.add(index)
        self._refusal = error.strerror
        if self._begun:
            self.broke_off, self._lost_just_now = error.strerror, True
        else:
            self.early.add(index)

    def _end(self) -> None:
        """The last packet is decoded, or next."""
        if not self._begun:
            self.broke_off = self._refusal
        self.broke_off = self._stopped_by or self.broke_off or self._ends_early

    def _picture(self, frame: av.VideoFrame, *, elsewhere: bool = False, leading: int = 0) -> Picture:
        if not self.in_coded_order:  # motion will be estimated from the picture shown before: display order will do
            lost, self._lost_just_now = self._lost_just_now, False
            at, (corrupt, said_key) = self.given, self.headers.at(frame)
            said_key |= at == 0 and self.codec in _WITHOUT_KEYS
            self.given += 1
            pts = self._times.of(frame)
            return Picture(at, at, frame, pts, after_loss=lost, corrupt=corrupt, said_key=said_key)
        opaque = frame.opaque
        index = opaque[0] if isinstance(opaque, tuple) else self.given
        anew, said = not elsewhere and self.gaps.end(self.given), self.headers.take(index)
        pts = self._times.of(frame)
        picture = Picture(index, self.given, frame, pts, *said, anew=anew, leading=leading, elsewhere=elsewhere)
        self.given += not elsewhere  # who goes on with it counts it
        return picture

    def _packets(self) -> Iterator["Packet | None"]:
        """The video packets, then None to flush the decoder. A stream that breaks off ends here."""
        unsaid = False  # an end that looks like a loss
        while True:
            try:
                with self.stopwatch("decode"):
                    packet = next(self.incoming, None)
            except av.error.ExitError:
                self._stopped_by = f"nothing came for {self.timeout:g} s" if self.timeout else "interrupted"
                break
            except av.error.FFmpegError as error:
                self._check_index(error)
                unsaid = self._has_no_size and error.errno == errno.EIO
                self.end_unsaid = unsaid and self.has_no_length
                broke = self.live and error.errno == errno.EIO
                self._stopped_by = None if unsaid else "the connection broke off" if broke else error.strerror
                break
            if packet is not None and packet.has_sidedata("encryption_info"):
                self._stopped_by = "it is encrypted; decrypt it first"
                break
            if packet is None or (packet.size == 0 and packet.dts is None):
                if self._has_no_size and self.promise.frames:
                    self._check_index()
                break
            self.promise.add(packet)
            if packet.size:
                self._times.note(packet)
                yield packet
        self._ends_early = self.promise.broken(live=self.live or unsaid)
        yield None

    def _check_index(self, error: av.error.FFmpegError | None = None) -> None:
        if self.promise.read == 0 and self.container.format.name.startswith("mov"):
            check_index_comes_first(self.source, error)

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
