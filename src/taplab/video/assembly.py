"""From pictures to coded frames: whose turn it is, what moved, which scene it is, what is damaged."""

import heapq
import weakref
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from av.sidedata.sidedata import SideDataContainer
from av.sidedata.sidedata import Type as SideData
from av.video.frame import VideoFrame

from taplab.types import REFERENCES_KEPT, CodedFrame, Kind
from taplab.video.convert import has_strange_colours
from taplab.video.following import Following
from taplab.video.picture import Picture
from taplab.video.planes import luma_plane
from taplab.video.references import Reference

if TYPE_CHECKING:
    from taplab.video.images import ImageFolder
    from taplab.video.reader import Video

_KINDS: dict[int, Kind] = {1: "I", 2: "P", 3: "B"}


class Assembly:
    """Turns pictures into coded frames one after another; remembers references, and forgets them at damage.

    threads: that work out motion beside the reading thread; with one, that thread does it, and no frame waits.
    """

    def __init__(self, video: "Video | ImageFolder", threads: int = 1) -> None:
        self.video = weakref.proxy(video)  # which holds this: in a cycle its decoder's pictures would stay for long
        self._pool = ThreadPoolExecutor(threads, "taplab-motion") if threads > 1 else None
        self._most = 2 * threads if threads > 1 else 0  # frames whose motion may be on its way
        self._pending: deque[tuple[CodedFrame, Following | None]] = deque()
        self.next = 0  # coded index whose turn it is
        self.damaged = True  # nothing is sound before the first key frame
        self.references: list[Reference] = []
        self.mended = 0  # display position of the key frame that ended the last damage
        self.size: tuple[int, int] | None = None
        self.scene = 0  # the newest so far, 1 + the coded index of the frame that began it
        self.kind: Kind | None = None  # of the frame before
        self.interlaced = False  # is it
        self.came = 0  # frames
        self.strange_colours = False  # of the first
        self.before = 0  # frames that did not come before the first that did
        self.missed = 0  # behind the second that did: of those between, the first may be none to begin with

    def release(
        self, waiting: list[tuple[int, int, Picture]], failed: set[int], given_up_before: int
    ) -> Iterator[CodedFrame]:
        """The frames whose turn it is; a missing one is given up if its index is below ``given_up_before``."""
        while waiting:
            index, _, picture = waiting[0]
            if index > self.next:
                if self.next not in failed and self.next >= given_up_before:
                    return
                refused = self.next in failed
                self._miss(self.next, interlaced=picture.frame.interlaced_frame, refused=refused)
                self.next += 1
                continue
            heapq.heappop(waiting)
            self.next = index + 1
            self._pending.append(self._begun(picture))
            yield from self._followed(self._most)

    def rest(self) -> Iterator[CodedFrame]:
        """The frames whose motion was on its way."""
        yield from self._followed(0)

    def _followed(self, most: int) -> Iterator[CodedFrame]:
        """Of the frames that wait for their motion the first ones: those that have it, and all but ``most``."""
        while self._pending:
            frame, following = self._pending[0]
            if len(self._pending) <= most and following is not None and not following.this.found.done():
                return
            self._pending.popleft()
            frame.scene = self.scene
            if following is not None:
                following.give(frame)
            self.scene = max(self.scene, frame.scene)
            yield frame

    def end(self, packets: int) -> None:
        """No picture comes any more of so many packets."""
        for index in range(self.next, packets):
            self._miss(index, interlaced=self.interlaced)

    def close(self) -> None:
        """Lets go of the pictures: the video that it belongs to keeps it for what it counted."""
        self.references.clear()
        self._pending.clear()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _miss(self, index: int, *, interlaced: bool, refused: bool = False) -> None:
        """No picture came of this packet, which the decoder ``refused`` or not. Of interlaced video two may make one.

        H.264 that begins at a recovery point has leading pictures behind its first, which only they refer to.
        """
        why = self.video.why_missing(index)
        if why in ("hidden", "hidden key"):
            self.references.clear()
            self.damaged = self.damaged and why == "hidden"
        elif not interlaced:
            self.before += self.came == 0
            self.missed += self.came > 1
            leads = self.came == 1 and not refused and self.video.codec == "h264"
            if why == "lost" and not leads:
                self._lose()

    def _lose(self) -> None:
        self.damaged = True
        self.references.clear()

    def _begun(self, picture: Picture) -> tuple[CodedFrame, Following | None]:
        """A frame, and what is to give it its motion."""
        frame, video = picture.frame, self.video
        kind = _KINDS.get(int(frame.pict_type), "P")
        refers = kind != "B" if picture.refers is None else picture.refers
        is_reference = refers or not video.in_coded_order
        damaged = self._watch(picture, is_reference)
        following = None
        if video.uses_motion and not damaged:
            following = self._following(picture, kind)
            if is_reference:
                self.references = [*self.references, following.this][-REFERENCES_KEPT:]
        self.kind, self.interlaced = kind, frame.interlaced_frame
        if self.came == 0:  # what containers say of it may be wrong, as of H.264 that is cropped
            video.width, video.height = frame.width, frame.height
            self.strange_colours = has_strange_colours(frame)
        self.came += 1
        coded = CodedFrame(
            index=picture.index,
            display=picture.display,
            pts=picture.pts,
            time_base=frame.time_base or video.time_base,
            kind=kind,
            width=frame.width,
            height=frame.height,
            damaged=damaged,
            motion=None,
            picture=frame,
            convert=video.to_rgb,
            is_reference=is_reference,
            mirrored=_is_mirrored(frame),
            beyond=video.max_frames is not None and picture.display >= video.max_frames,
        )
        return coded, following

    def _following(self, picture: Picture, kind: Kind) -> Following:
        """The motion of a picture, on its way."""
        video = self.video
        following = Following(
            picture=picture,
            this=Reference(luma_plane(picture.frame), picture.index, picture.display),
            kind=kind,
            kind_before=self.kind,
            references=tuple(self.references),
            codec=video.codec if video.has_vectors else None,
            several=video.several_references(),
            cut_off=video.cut_off(picture.frame),
            refine=video.refine,
            thr_rgc=video.thr_rgc,
            stopwatch=video.stopwatch,
        )
        if self._pool is None:
            following.work_out()
        else:
            self._pool.submit(following.work_out)
        return following

    def _watch(self, picture: Picture, is_reference: bool) -> bool:
        """Is this frame damaged? What is lost costs the references; a sound key frame mends everything after it.

        A frame that others do not refer to takes no other frame down with it.
        """
        frame = picture.frame
        size = frame.height, frame.width
        corrupt = frame.is_corrupt or picture.corrupt
        if picture.after_loss or (corrupt and is_reference) or self.size not in (None, size):
            self._lose()
        self.size = size
        if picture.is_key and not corrupt and self.damaged:
            self.damaged, self.mended = False, picture.display
        # B-frames shown before the key frame that mended the stream refer to what was lost.
        return self.damaged or corrupt or picture.display < self.mended


def _is_mirrored(frame: VideoFrame) -> bool:
    """By FFmpeg's display matrix, 3x3: of it the upper left 2x2 turn and mirror."""
    matrix = cast("Any", SideDataContainer)(frame).get(SideData.DISPLAYMATRIX)
    return matrix is not None and bool(np.linalg.det(np.frombuffer(matrix, np.int32).reshape(3, 3)[:2, :2]) < 0)
