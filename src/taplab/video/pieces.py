"""Pieces of a stream decoded side by side, and a watch on each: is it what linear decoding would give?"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, cast

import av
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from taplab.errors import SourceError
from taplab.timing import Stopwatch
from taplab.video.gops import Piece, Played

_Look = tuple[object, ...]


@dataclass
class Decoded:
    """A piece's pictures in display order.

    delay: packets that its decoder was given before the first picture came. look: what all pictures have in common.
    Of what other processes decode there are no pictures, and nothing is known of them.
    """

    piece: Piece
    frames: deque[av.VideoFrame]
    delay: int = 0
    look: _Look | None = None


class SideBySide:
    """Decodes pieces on threads, each with a decoder of its own.

    new_decoder: opens one; called on the threads. flushed: a decoder gives its last pictures out in full when it is
    flushed. threads: pieces decoded at once. most: pictures that wait, about.
    """

    def __init__(
        self,
        new_decoder: Callable[[], VideoCodecContext],
        stopwatch: Stopwatch,
        *,
        flushed: bool,
        threads: int,
        most: int,
    ) -> None:
        self._new_decoder, self._stopwatch, self._flushed = new_decoder, stopwatch, flushed
        self._threads, self._most = threads, most
        self._idle: list[VideoCodecContext] = []  # the last one is taken first, so that there are few
        self._stopped = threading.Event()

    def __call__(self, pieces: Iterator[Piece]) -> Iterator[Decoded]:
        """The pieces in order, up to the first one that did not decode as it should."""
        waiting: deque[tuple[int, Future[Decoded | None]]] = deque()  # pictures, future
        delay, look = 0, cast("_Look | None", None)
        pool = ThreadPoolExecutor(self._threads, "taplab-decoder")
        try:
            while True:
                while self._has_room([size for size, _ in waiting]) and (piece := next(pieces, None)) is not None:
                    size = 0 if piece.others else len(piece.packets)
                    waiting.append((size, pool.submit(self._decode, piece)))
                decoded = waiting.popleft()[1].result() if waiting else None
                if decoded is None:
                    return
                if not decoded.piece.others:
                    delay, look = (decoded.delay, decoded.look) if look is None else (delay, look)
                    if decoded.look != look or decoded.delay != min(delay, len(decoded.piece.own)):
                        return  # the decoder learned on the way, and does not know it in the next piece
                yield decoded
        finally:
            self._stopped.set()
            pool.shutdown(cancel_futures=True)

    def _has_room(self, sizes: list[int]) -> bool:
        """One piece waits ready while the threads are at work; fewer where pieces are long."""
        return not sizes or (len(sizes) <= self._threads and sum(sizes) + max(sizes) <= self._most)

    def _decode(self, piece: Piece) -> Decoded | None:
        if piece.others:
            return Decoded(piece, deque())
        try:
            decoder = self._a_decoder()
            decoded = self._pictures(decoder, piece)
            decoder.flush_buffers()
        except (av.error.FFmpegError, SourceError):
            return None
        self._idle.append(decoder)
        return decoded

    def _a_decoder(self) -> VideoCodecContext:
        try:
            return self._idle.pop()
        except IndexError:
            return self._new_decoder()

    def _pictures(self, decoder: VideoCodecContext, piece: Piece) -> Decoded | None:
        """None if anything is out of the ordinary."""
        rest: list[Played] = [(-1, None)] if self._flushed or piece.ends else [*piece.following]
        missing, frames, looks, delay = piece.needed, deque[av.VideoFrame](), set[_Look](), 0
        for at, packet in [*piece.own, *rest]:
            if not missing or self._stopped.is_set():
                break
            with self._stopwatch("decode"):
                given = decoder.decode(packet)
            if packet is not None and len(given) != 1 and at not in piece.optional:
                if frames or given:
                    return None  # each packet brings one picture, after the first ones, until all is flushed
                delay += 1
            for frame in given:
                index = index_of(frame)
                if not _is_sound(frame, key=index == piece.packets[0][0]) or index not in missing | piece.optional:
                    return None
                missing.discard(index)
                frames.append(frame)
                looks.add(_look(frame))
        return None if missing or len(looks) != 1 else Decoded(piece, frames, delay, looks.pop())


def index_of(frame: av.VideoFrame) -> int:
    """Coded index, -1 where the mark was lost."""
    mark: Any = frame.opaque
    return mark[0] if isinstance(mark, tuple) else -1


def _is_sound(frame: av.VideoFrame, *, key: bool) -> bool:
    """Of interlaced video some of what a decoder knows outlives key pictures."""
    if frame.is_corrupt or frame.interlaced_frame:
        return False
    return not key or (frame.key_frame and frame.pict_type == PictureType.I)


def _look(frame: av.VideoFrame) -> _Look:
    size = frame.width, frame.height, frame.format.name
    return *size, frame.rotation, frame.color_range, frame.colorspace
