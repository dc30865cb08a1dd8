"""A source that sets its own pace: taken up again where the connection is lost, and stopped from outside."""

import threading
import time
from collections.abc import Container, Generator, Iterator
from contextlib import closing
from dataclasses import replace

from taplab.errors import SourceError
from taplab.types import CodedFrame
from taplab.video.count import Count
from taplab.video.pace import are_the_same
from taplab.video.reader import Video

_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 4.0  # seconds between tries; each is twice the one before


class LiveVideo:
    """A stream or camera, shaped like ``Video``: over all connections one count of frames and one time.

    video: the first connection; how that is read holds for all of them together.

    With every connection a new scene begins; its first time stamp is the last one before plus the seconds between.
    A server that is there at the first try and begins again with the same packets has a recording: that has ended.
    """

    live = True
    skipped: Container[int] = ()  # see ``Video``

    def __init__(self, video: Video) -> None:
        self._video, self.reading = video, video.reading
        video.reading = replace(video.reading, max_frames=None)
        self.source, self.codec, self.width, self.height = video.source, video.codec, video.width, video.height
        self.rate, self.time_base, self.has_vectors = video.rate, video.time_base, video.has_vectors
        self.stopwatch, self.expected_frames = video.stopwatch, self.reading.max_frames
        self.reconnects = 0
        self._notes: list[str] = []
        self._lost = 0  # frames, in connections that are over
        self._why: str | None = None  # it was given up
        self._lost_at: float | None = None  # when the connection at hand was lost, by time.monotonic()
        self._pause = _FIRST_PAUSE
        self._beginning = video.beginning
        self._stopped, self._reading = threading.Event(), threading.Lock()

    @property
    def lost(self) -> int:
        """See ``Video``; frames that were sent while there was no connection are not known."""
        return self._lost + self._video.lost

    @property
    def notes(self) -> list[str]:
        """See ``Video``; of the connection at hand, and of what became of connections."""
        return [*self._video.notes, *self._notes]

    @property
    def broke_off(self) -> str | None:
        """Why it did not go on, unless it came to its end."""
        return self._why or self._video.broke_off

    def frames(self) -> Generator[CodedFrame]:
        """The frames in coded order, ``max_frames`` of them. Closes the source at the end."""
        return limited(self.endless(), self.reading.max_frames)

    def endless(self) -> Generator[CodedFrame]:
        """The frames in coded order, until the source ends, is given up or closed; which closes it."""
        count = Count()
        try:
            while True:
                frames = self._video.frames()
                while (frame := self._next(frames)) is not None:
                    if self._lost_at is not None:
                        if self._served_anew():
                            self._notes.append(
                                "its server begins again with what came first: this is taken for the end"
                            )
                            return
                        self.reconnects += 1
                        count.begin()
                    self._lost_at, self._pause = None, _FIRST_PAUSE
                    if not self.reconnects:  # known for certain from the first frame on
                        self.width, self.height = self._video.width, self._video.height
                    yield count.on(frame)
                if self._stopped.is_set() or self._video.ended or not self._again():
                    return
        finally:
            self._video.close()

    def close(self) -> None:
        """Ends it, from any thread; where that one is reading it ends, and is released, when the read returns."""
        self._stopped.set()
        if self._reading.acquire(blocking=False):
            self._video.close()
            self._reading.release()

    def _next(self, frames: Iterator[CodedFrame]) -> CodedFrame | None:
        with self._reading:
            return None if self._stopped.is_set() else next(frames, None)

    def _served_anew(self) -> bool:
        """The server was there all the time, and sends what it sent first: no camera does that."""
        return self._pause <= 2 * _FIRST_PAUSE and are_the_same(self._video.beginning, self._beginning)

    def _again(self) -> bool:
        """Tries to connect for as long as is allowed since the last frame; whether it worked."""
        if self._lost_at is None:
            self._lost_at = time.monotonic()
        why = self._video.broke_off or "the sender closed the connection"
        while (left := self._lost_at + self.reading.reconnect - time.monotonic()) > 0:
            if self._stopped.wait(min(self._pause, left)):
                return False
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)
            try:
                video = self._video.connected_anew(min(self.reading.timeout, max(left, 1.0)))
            except SourceError:
                continue
            self._lost += self._video.lost
            self._video.close()
            self._video = video
            return True
        if self.reading.reconnect:
            self._why = f"{why}, and did not come back within {self.reading.reconnect:g} s"
        return False


def limited(frames: Generator[CodedFrame], most: int | None) -> Generator[CodedFrame]:
    """The ``most`` that are shown first; those shown later that come between them are marked ``beyond``."""
    shown = 0
    with closing(frames):
        for frame in frames:
            frame.beyond = most is not None and frame.display >= most
            shown += not frame.beyond
            yield frame
            if shown == most:
                return
