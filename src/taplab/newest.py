"""What becomes of frames that come faster than they are worked on: the oldest are dropped, and counted.

All of them are decoded, so that nothing is predicted from what is missing. The frames after a dropped one get motion
that leads past it.
"""

from bisect import bisect_left, insort
from collections import deque
from functools import partial
from queue import Queue
from typing import TYPE_CHECKING, Any, TypeVar

from taplab.modules.chain import past
from taplab.types import REFERENCES_KEPT, THR_RGC, CodedFrame, Motion
from taplab.video.planes import luma_plane
from taplab.video.reader import REORDER
from taplab.video.residual import measure_residual

if TYPE_CHECKING:
    import av

T = TypeVar("T")

WAITING = 12  # frames


class Newest(Queue[Any]):
    """A queue for ``prefetch`` into which frames are put in coded order; putting never waits.

    Of more than ``most`` frames one is dropped: the oldest that no other refers to, else the oldest B-frame, else the
    oldest. Frames that are shown before one that was taken out already stay. Frames that are taken out are numbered
    (``display``) without gaps.

    thr_rgc: grey levels above which a pixel of the residual counts. dropped: how many were.
    """

    def __init__(self, most: int = WAITING, thr_rgc: int = THR_RGC) -> None:
        super().__init__()
        self.most, self.thr_rgc = most, thr_rgc
        self.dropped = 0
        self._shown = -1  # the latest display position, as put in, of the frames taken out
        self._missing: list[int] = []  # display positions of dropped frames, sorted; of the newest ones
        self._gone: dict[int, Motion | None] = {}  # dropped references by coded index: motion to frames taken out
        self._pictures: dict[int, av.VideoFrame] = {}  # of references taken out, by coded index

    def _init(self, maxsize: int) -> None:
        self.queue: deque[Any] = deque()

    def _put(self, item: object) -> None:
        self.queue.append(item)
        if len(self.queue) > self.most:
            self._drop()

    def _get(self) -> Any:
        item = self.queue.popleft()
        if isinstance(item, CodedFrame):
            self._take(item)
        return item

    def _drop(self) -> None:
        free = [f for f in self.queue if isinstance(f, CodedFrame) and f.display > self._shown]
        frame = min(free, key=lambda f: (f.is_reference, f.kind != "B"), default=None)  # the first of the least
        if frame is None:
            return
        self.queue.remove(frame)
        self.dropped += 1
        insort(self._missing, frame.display)
        if frame.is_reference:
            self._gone[frame.index] = frame.motion and past(frame.motion, self._gone)
            _forget_oldest(self._gone)

    def _take(self, frame: CodedFrame) -> None:
        self._shown = max(self._shown, frame.display)
        earlier = bisect_left(self._missing, frame.display)
        frame.display -= self.dropped - len(self._missing) + earlier
        del self._missing[: bisect_left(self._missing, self._shown - REORDER)]
        if frame.motion is not None:
            self._lead_past(frame, frame.motion)
        if frame.is_reference:
            self._pictures[frame.index] = frame.picture
            _forget_oldest(self._pictures)

    def _lead_past(self, frame: CodedFrame, motion: Motion) -> None:
        frame.motion = past(motion, self._gone)
        if frame.motion is motion:
            return
        frame.measure = None
        if frame.motion is not None and all(field.reference in self._pictures for field in frame.motion.fields):
            lumas = tuple(luma_plane(self._pictures[field.reference]) for field in frame.motion.fields)
            frame.measure = partial(measure_residual, luma_plane(frame.picture), lumas, frame.motion, self.thr_rgc)


def _forget_oldest(kept: dict[int, T]) -> None:
    while len(kept) > REFERENCES_KEPT:
        del kept[min(kept)]
