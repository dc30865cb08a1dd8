"""A video as a stream of ``CodedFrame``: coded order, motion and residual attached, damage watched for."""

import heapq
import threading
from collections.abc import Container, Generator, Iterator
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import cast

import av

from taplab.errors import SettingError, SourceError
from taplab.timing import Stopwatch
from taplab.types import CodedFrame, Rgb
from taplab.video.assembly import Assembly
from taplab.video.container import NoVideoError
from taplab.video.convert import converted
from taplab.video.count import Count
from taplab.video.decoder import Decoder
from taplab.video.pace import Beginning
from taplab.video.picture import Picture
from taplab.video.reading import AS_USUAL, Reading
from taplab.video.share import Share
from taplab.video.transport import packet_size
from taplab.words import counted

REORDER = 17  # H.264 allows 16 frames between coded and display order


class Video:
    """An opened video. ``frames()`` may be called once; memory does not grow with its length.

    threads, start, known_live, share: see ``Decoder``. Raises SourceError if it cannot be opened.

    A file of transport streams that were joined is read to its end; what it says of itself is true of the first part,
    and a new scene begins with every other.
    """

    reconnects = 0

    def __init__(
        self,
        source: str | Path,
        reading: Reading = AS_USUAL,
        *,
        stopwatch: Stopwatch | None = None,
        threads: int | None = None,
        start: int = 0,
        known_live: bool = False,
        share: Share | None = None,
    ) -> None:
        self.source, self.reading, self.stopwatch = str(source), reading, stopwatch or Stopwatch()
        self._later: Video | None = None  # the part at hand, if it is not the first
        self._lost_before, self._why = 0, cast("str | None", None)  # in the parts before it
        self._notes_before: list[str] = []
        self._decoder = Decoder(
            self.source,
            self.stopwatch,
            vectors=reading.motion,
            timeout=reading.timeout,
            threads=threads,
            start=start,
            known_live=known_live,
            share=share,
        )
        self.skipped: Container[int] = self._decoder.gaps  # numbers of frames that are left out: those of other shares
        self.codec = self._decoder.codec
        self.width, self.height = self._decoder.context.width, self._decoder.context.height
        self.rate: Fraction | None = self._decoder.rate
        self.time_base = self._decoder.time_base
        self.why_missing = self._decoder.headers.why_missing
        self.in_coded_order = self._decoder.in_coded_order
        self.has_vectors, self.cut_off = self._decoder.has_vectors, self._decoder.headers.cut_off
        self.several_references = self._decoder.headers.several_references
        self._passed_over = self._decoder.passed_over
        self._assembly = Assembly(self)
        self._begun, self._closed, self._reading = False, threading.Event(), threading.Lock()

    @property
    def _part(self) -> "Video":
        return self._later or self

    @property
    def expected_frames(self) -> int | None:
        """How many frames will come, as far as the container tells."""
        guess, most = self._decoder.promise.guess, self.reading.max_frames
        return min(guess, most) if guess and most else guess or most

    @property
    def notes(self) -> list[str]:
        """What is worth telling and no damage."""
        before, parts = self._assembly.before + self._decoder.headers.before, self._passed_over
        late = f"it begins with {counted(before, 'frame')} that cannot be decoded"
        silent = f"{counted(parts, 'part')} without pictures passed over"
        unsaid = "its server closed the connection and had not said how much there is; whether this is all is not known"
        told = (before, late), (parts, silent), (self._decoder.end_unsaid, unsaid)
        notes = [note for there, note in told if there]
        return list(dict.fromkeys([*notes, *self._notes_before, *self._part._assembly.notes]))

    @property
    def is_divisible(self) -> bool:
        """May several processes have a ``Share`` of it each?"""
        return self._decoder.is_divisible and packet_size(self.source) is None

    @property
    def left_to_others(self) -> bool:
        """It was not read to its end, for from where it cannot be cut any more another share has it all."""
        return self._decoder.left_to_others

    @property
    def live(self) -> bool:
        """It sets its own pace."""
        return self._decoder.live

    @property
    def ended(self) -> bool:
        """It was read to its end: not broken off, nor left by a sender that may come back."""
        return self._decoder.ended

    @property
    def beginning(self) -> Beginning:
        """Of what a server sends without saying how much there is, by which it is known if it comes again."""
        return self._decoder.incoming.beginning if self._decoder.has_no_length else []

    @property
    def lost(self) -> int:
        """Frames that the container promised or the stream coded, and that did not decode."""
        return self._lost_before + self._part._lost

    @property
    def broke_off(self) -> str | None:
        """How decoding failed, if it did."""
        return self._why or self._part._decoder.broke_off

    @property
    def _lost(self) -> int:
        decoder, most = self._decoder, self.reading.max_frames
        enough = most is not None and decoder.given >= most
        missing = decoder.missing + self._assembly.missed
        if decoder.broke_off is None or enough:
            return missing
        promised = (decoder.promise.frames or 0) - decoder.promise.hidden - decoder.given
        return max(promised, len(decoder.failed - decoder.early), decoder.mute.count, missing, 1)

    def frames(self) -> Generator[CodedFrame]:
        """The frames in coded order. Closes the source at the end. Raises SettingError if read or closed before."""
        if self._begun or self._closed.is_set():
            raise SettingError(f"{self.source}: its frames were read, or it was closed; open it again")
        self._begun, frames = True, self._all_parts()
        try:
            while (frame := self._next(frames)) is not None:
                yield frame
        finally:
            with self._reading:
                frames.close()
                self._release()

    def close(self) -> None:
        """Ends it, from any thread; where that one is reading it ends, and is released, when the read returns.

        Safe to call twice.
        """
        self._closed.set()
        if self._reading.acquire(blocking=False):
            self._release()
            self._reading.release()

    def connected_anew(self, timeout: float) -> "Video":
        """The same live source once more; seconds after which to give up. Raises SourceError."""
        return Video(self.source, replace(self.reading, timeout=timeout), stopwatch=self.stopwatch, known_live=True)

    def _release(self) -> None:
        self._part._decoder.close()

    def _next(self, frames: Iterator[CodedFrame]) -> CodedFrame | None:
        with self._reading:
            return None if self._closed.is_set() else next(frames, None)

    def _all_parts(self) -> Generator[CodedFrame]:
        count, given = Count(), 0
        while True:
            for frame in self._part._frames():
                yield count.on(frame)
            given += self._part._decoder.given
            left = None if self.reading.max_frames is None else self.reading.max_frames - given
            start = self._part._decoder.rest
            if start is None or (left is not None and left <= 0):
                return
            self._lost_before, self._why = self.lost, self.broke_off
            self._notes_before += self._part._assembly.notes
            try:
                how, threads = replace(self.reading, max_frames=left), self._decoder.threads
                self._later = Video(self.source, how, stopwatch=self.stopwatch, threads=threads, start=start)
                self._passed_over += self._later._passed_over
            except NoVideoError:
                self._passed_over += 1
                return
            except SourceError as error:
                self._lost_before, self._why = self._lost_before + 1, str(error)
                return
            count.begin(timed=True)

    def _frames(self) -> Iterator[CodedFrame]:
        # (coded index, display index, picture): the first two never tie, so pictures are never compared.
        waiting: list[tuple[int, int, Picture]] = []
        assembly = self._assembly
        with closing(self._decoder), closing(assembly):
            for picture in self._decoder.pictures():
                heapq.heappush(waiting, (picture.index, picture.display, picture))
                newest = max(index for index, *_ in waiting)
                yield from assembly.release(waiting, self._decoder.failed, given_up_before=newest - REORDER)
                if self._enough(waiting):
                    return
            yield from assembly.release(waiting, self._decoder.failed, given_up_before=2**62)
            if self.in_coded_order and not self._decoder.gaps.open:
                assembly.end(packets=self._decoder.headers.noted)

    def _enough(self, waiting: list[tuple[int, int, Picture]]) -> bool:
        """All frames before ``max_frames`` are out."""
        most = self.reading.max_frames
        if most is None or self._decoder.given < most:
            return False
        return all(display >= most for _, display, _ in waiting)

    def to_rgb(self, picture: av.VideoFrame) -> Rgb:
        """The one converter of the house: swscale, so that network and evaluation see the same pixels."""
        return cast(Rgb, converted(picture, "rgb24").to_ndarray())
