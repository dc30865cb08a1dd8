"""From pictures to coded frames: whose turn it is, what moved, which scene it is, what is damaged."""

import heapq
import weakref
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from av.sidedata.sidedata import SideDataContainer
from av.sidedata.sidedata import Type as SideData
from av.video.frame import VideoFrame

from taplab.types import REFERENCES_KEPT, CodedFrame, Kind, Motion, Plane, Residual
from taplab.upright import MIRRORED
from taplab.video.around import estimated_around, is_fast, refined, with_intra_estimated
from taplab.video.convert import has_strange_colours
from taplab.video.cuts import is_cut, is_estimated_cut, is_new_scene
from taplab.video.motion import RECORD, without_margin
from taplab.video.picture import Picture
from taplab.video.planes import luma_plane
from taplab.video.references import Reference, coded_motion
from taplab.video.residual import measure_residual

if TYPE_CHECKING:
    from taplab.video.images import ImageFolder
    from taplab.video.reader import Video

_KINDS: dict[int, Kind] = {1: "I", 2: "P", 3: "B"}


class Assembly:
    """Turns pictures into coded frames one after another; remembers references, and forgets them at damage."""

    def __init__(self, video: "Video | ImageFolder") -> None:
        self.video = weakref.proxy(video)  # which holds this: in a cycle its decoder's pictures would stay for long
        self.stopwatch, self.thr_rgc = video.stopwatch, video.reading.thr_rgc  # residuals may be measured after it
        self.next = 0  # coded index whose turn it is
        self.elsewhere = range(0)  # those whose pictures another process gives out, as far as it matters
        self.damaged = True  # nothing is sound before the first key frame
        self.references: list[Reference] = []
        self.mended = 0  # display position of the key frame that ended the last damage
        self.shape: tuple[int, int, str] | None = None  # height, width, pixel format of the frame before
        self.scenes = 0  # counted so far
        self.kind: Kind | None = None  # of the frame before
        self.interlaced = False  # is it
        self.came = 0  # frames
        self.strange_colours = self.tilted = False  # is the first
        self.before = 0  # frames that did not come before the first that did
        self.missed = 0  # behind the second that did: of those between, the first may be none to begin with

    @property
    def notes(self) -> list[str]:
        """What is worth telling of the first picture, and no damage."""
        strange = "FFmpeg does not know how its colours are coded: they were taken for those of BT.601"
        aslant = "players show it aslant; here it is turned by quarters alone"
        return [note for there, note in ((self.strange_colours, strange), (self.tilted, aslant)) if there]

    def release(
        self, waiting: list[tuple[int, int, Picture]], failed: set[int], given_up_before: int
    ) -> Iterator[CodedFrame]:
        """All frames whose turn it is; a missing one is given up if its index is below ``given_up_before``."""
        while waiting:
            index, _, picture = waiting[0]
            if picture.anew:
                self._begin_anew(index)
                self.elsewhere = range(index + 1, index + 1 + picture.leading)
            if index > self.next:
                if self.next in self.elsewhere:
                    self.next += 1
                    continue
                if self.next not in failed and self.next >= given_up_before:
                    return
                refused = self.next in failed
                self._miss(self.next, interlaced=picture.frame.interlaced_frame, refused=refused)
                self.next += 1
                continue
            heapq.heappop(waiting)
            self.next = index + 1
            yield self._frame(picture)

    def _begin_anew(self, index: int) -> None:
        """With a key frame; what was before it is not at hand."""
        self.references.clear()
        self.next, self.kind = index, None

    def end(self, packets: int) -> None:
        """No picture comes any more of so many packets."""
        for index in range(self.next, packets):
            self._miss(index, interlaced=self.interlaced)

    def close(self) -> None:
        """Lets go of the pictures: the video that it belongs to keeps it for what it counted."""
        self.references.clear()

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

    def _frame(self, picture: Picture) -> CodedFrame:
        frame, video = picture.frame, self.video
        most = video.reading.max_frames
        kind = _KINDS.get(int(frame.pict_type), "P")
        refers = kind != "B" if picture.refers is None else picture.refers
        is_reference = refers or not video.in_coded_order
        damaged = self._watch(picture, is_reference)
        motion, measure, scene = None, None, self.scenes
        if video.reading.motion and not damaged:
            this = Reference(luma_plane(frame), picture.index, picture.display)
            with video.stopwatch("motion"):
                motion, scene = this.motion, this.scene = self._followed(picture, kind, this)
            if motion is not None:
                measure = partial(self._measure, this.luma, self._lumas(motion), motion, picture.rounding)
            if is_reference:
                self.references = [*self.references, this][-REFERENCES_KEPT:]
        self.kind, self.interlaced = kind, frame.interlaced_frame
        if self.came == 0:  # what containers say of it may be wrong, as of H.264 that is cropped
            video.width, video.height = frame.width, frame.height
            self.strange_colours, self.tilted = has_strange_colours(frame), _is_tilted(frame)
        self.came += 1
        return CodedFrame(
            index=picture.index,
            display=picture.display,
            pts=picture.pts,
            time_base=frame.time_base or video.time_base,
            kind=kind,
            width=frame.width,
            height=frame.height,
            damaged=damaged,
            motion=motion,
            picture=frame,
            convert=video.to_rgb,
            measure=measure,
            scene=scene,
            is_reference=is_reference,
            turns=_turns(frame),
            beyond=picture.elsewhere or (most is not None and picture.display >= most),
            elsewhere=picture.elsewhere,
        )

    def _watch(self, picture: Picture, is_reference: bool) -> bool:
        """Is this frame damaged? What is lost costs the references; a sound key frame mends everything after it.

        A frame that others do not refer to takes no other frame down with it.
        """
        frame = picture.frame
        shape = frame.height, frame.width, frame.format.name
        corrupt = frame.is_corrupt or picture.corrupt
        if picture.after_loss or (corrupt and is_reference) or self.shape not in (None, shape):
            self._lose()
        self.shape = shape
        if picture.is_key and not corrupt and self.damaged:
            self.damaged, self.mended = False, picture.display
        # B-frames shown before the key frame that mended the stream refer to what was lost.
        return self.damaged or corrupt or picture.display < self.mended

    def _followed(self, picture: Picture, kind: Kind, this: Reference) -> tuple[Motion | None, int]:
        """The motion of a frame and its scene; no motion at a cut.

        An I-frame after an I-frame belongs to a stream of nothing else: it is followed like any other.
        """
        before = max((r for r in self.references if r.display < picture.display), key=lambda r: r.display, default=None)
        if kind == "I" and self.kind != "I":
            new = before is None or is_new_scene(this.luma, before.luma)
            return None, self._new_scene() if before is None or new else before.scene
        motion = self._motion(picture, kind, this)
        if motion is None:
            return None, self._new_scene() if before is None else before.scene
        if self._is_cut(picture, this.luma, motion):
            return None, self._new_scene()
        motion = self._improved(motion, this)
        return motion, next(r.scene for r in self.references if r.index == motion.fields[0].reference)

    def _improved(self, motion: Motion, this: Reference) -> Motion:
        """The codec's searched again, all of it or its intra blocks, where that is asked for or worth it."""
        if motion.origin != "codec":
            return motion
        refine = self.video.reading.refine
        if refine == "always" or (refine == "fast" and is_fast(motion)):
            return refined(motion, this, self.references)
        return with_intra_estimated(motion, this, self.references)

    def _is_cut(self, picture: Picture, luma: Plane, motion: Motion) -> bool:
        if motion.origin == "estimated":
            return is_estimated_cut(motion)
        lumas = self._lumas(motion)
        return is_cut(motion, luma, lumas[0], lambda: self._measure(luma, lumas, motion, picture.rounding).score)

    def _new_scene(self) -> int:
        self.scenes += 1
        return self.scenes

    def _motion(self, picture: Picture, kind: Kind, this: Reference) -> Motion | None:
        """The codec's, or estimated where it cannot be used: none there, fields of interlaced video, MPEG-4 B (zeros).

        None where there is nothing in hand to come from.
        """
        frame = picture.frame
        # Not frame.side_data: that is kept by the frame and keeps the frame, until the garbage collector comes.
        side_data = cast("Any", SideDataContainer)(frame) if self.video.has_vectors else None
        records = None if side_data is None else side_data.get(SideData.MOTION_VECTORS)
        if records is None or frame.interlaced_frame or (kind == "B" and self.video.codec == "mpeg4"):
            return estimated_around(this, self.references)
        several = self.video.several_references()
        vectors = without_margin(np.frombuffer(records, RECORD), *self.video.cut_off(frame))
        motion = coded_motion(vectors, this.luma, picture.display, self.references, several=several)
        return motion or estimated_around(this, self.references)

    def _lumas(self, motion: Motion) -> tuple[Plane, ...]:
        in_hand = {r.index: r.luma for r in self.references}
        return tuple(in_hand[field.reference] for field in motion.fields)

    def _measure(self, luma: Plane, lumas: tuple[Plane, ...], motion: Motion, rounding: int) -> Residual:
        with self.stopwatch("residual"):
            return measure_residual(luma, lumas, motion, self.thr_rgc, rounding)


def _turns(frame: VideoFrame) -> int:
    """What makes it upright, see ``upright``; 0 for nearly all videos."""
    degrees = frame.rotation
    if abs(degrees) > 360:  # FFmpeg's angle of a matrix of zeros, which players leave alone
        return 0
    if _is_mirrored(frame):  # FFmpeg's angle is then that of the columns, which point the other way
        return round((180 - degrees) / 90) % 4 + MIRRORED
    return round(degrees / 90) % 4


def _is_tilted(frame: VideoFrame) -> bool:
    """Is it to be shown turned by other than quarters? FFmpeg cuts its angle off to whole degrees."""
    degrees = frame.rotation
    return abs(degrees) <= 360 and abs(degrees - 90 * round(degrees / 90)) > 1


def _is_mirrored(frame: VideoFrame) -> bool:
    """By FFmpeg's display matrix, 3x3: of it the upper left 2x2 turn and mirror."""
    matrix = cast("Any", SideDataContainer)(frame).get(SideData.DISPLAYMATRIX)
    return matrix is not None and bool(np.linalg.det(np.frombuffer(matrix, np.int32).reshape(3, 3)[:2, :2]) < 0)
