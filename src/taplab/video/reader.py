"""A video as a stream of ``CodedFrame``: coded order, motion and residual attached, damage watched for."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.sidedata.sidedata import Type as SideData
from av.video.reformatter import VideoReformatter

from taplab.timing import Stopwatch
from taplab.types import REFERENCES_KEPT, CodedFrame, Kind, Motion, Plane, Residual, Rgb
from taplab.video.decoder import Decoder, Picture
from taplab.video.estimate import estimate_motion
from taplab.video.motion import RECORD, motion_from_records
from taplab.video.planes import luma_plane
from taplab.video.residual import measure_residual

_KINDS: dict[int, Kind] = {1: "I", 2: "P", 3: "B"}
_REORDER = 17  # H.264 allows 16 frames between coded and display order


class Video:
    """An opened video. ``frames()`` may be called once; memory does not grow with its length.

    motion: attach motion and residual to the frames. thr_rgc: grey levels above which a pixel of the residual
    counts (``THR_RGC``). max_frames: stop after so many. Raises SourceError if it cannot be opened.
    """

    def __init__(
        self,
        source: str | Path,
        *,
        motion: bool = True,
        thr_rgc: int = 30,
        max_frames: int | None = None,
        stopwatch: Stopwatch | None = None,
    ) -> None:
        self.source, self.max_frames = str(source), max_frames
        self.stopwatch = stopwatch or Stopwatch()
        self._thr_rgc = thr_rgc
        self._decoder = Decoder(self.source, self.stopwatch, vectors=motion)
        self._reformatter = VideoReformatter()
        self.codec = self._decoder.codec
        self.width, self.height = self._decoder.context.width, self._decoder.context.height
        self.rate: Fraction | None = self._decoder.rate
        self.has_pts = self._decoder.has_pts
        self.time_base = self._decoder.time_base if self.has_pts or not self.rate else 1 / self.rate
        self.why_missing = self._decoder.why_missing
        self.has_vectors = self._decoder.has_vectors
        self.uses_motion = motion

    @property
    def expected_frames(self) -> int | None:
        """How many frames will come, as far as the container tells."""
        guess = self._decoder.guessed_frames
        return min(guess, self.max_frames) if guess and self.max_frames else guess or self.max_frames

    @property
    def lost(self) -> int:
        """Frames that the container promised or the stream coded, and that did not decode."""
        decoder = self._decoder
        if self.max_frames is not None and decoder.given >= self.max_frames:
            return 0
        if decoder.broke_off is None:
            return 0
        return max((decoder.promised or 0) - decoder.given, len(decoder.failed), 1)

    @property
    def broke_off(self) -> str | None:
        """How decoding failed, if it did."""
        return self._decoder.broke_off

    def frames(self) -> Iterator[CodedFrame]:
        """The frames in coded order. Closes the source at the end."""
        # (coded index, display index, picture): the first two never tie, so pictures are never compared.
        waiting: list[tuple[int, int, Picture]] = []
        assembly = _Assembly(self)
        try:
            for picture in self._decoder.pictures():
                heapq.heappush(waiting, (picture.index, picture.display, picture))
                newest = max(index for index, *_ in waiting)
                yield from assembly.release(waiting, self._decoder.failed, given_up_before=newest - _REORDER)
                if self._enough(waiting):
                    return
            yield from assembly.release(waiting, self._decoder.failed, given_up_before=2**62)
        finally:
            self.close()

    def _enough(self, waiting: list[tuple[int, int, Picture]]) -> bool:
        """All frames before ``max_frames`` are out."""
        if self.max_frames is None or self._decoder.given < self.max_frames:
            return False
        return all(display >= self.max_frames for _, display, _ in waiting)

    def close(self) -> None:
        """Releases the source; safe to call twice."""
        self._decoder.close()

    def to_rgb(self, picture: av.VideoFrame) -> Rgb:
        """The one converter of the house: swscale, so that network and evaluation see the same pixels."""
        return cast(Rgb, self._reformatter.reformat(picture, format="rgb24").to_ndarray())


@dataclass(frozen=True)
class _Reference:
    index: int
    display: int
    luma: Plane
    motion: Motion | None


class _Assembly:
    """Turns pictures into coded frames one after another; remembers references, and forgets them at damage."""

    def __init__(self, video: Video) -> None:
        self.video = video
        self.next = 0  # coded index whose turn it is
        self.damaged = True  # nothing is sound before the first key frame
        self.references: list[_Reference] = []
        self.mended = 0  # display position of the key frame that ended the last damage
        self.size: tuple[int, int] | None = None

    def release(
        self, waiting: list[tuple[int, int, Picture]], failed: set[int], given_up_before: int
    ) -> Iterator[CodedFrame]:
        """All frames whose turn it is; a missing one is given up if its index is below ``given_up_before``."""
        while waiting:
            index, _, picture = waiting[0]
            if index > self.next:
                if self.next not in failed and self.next >= given_up_before:
                    return
                self._miss(self.next, picture)
                self.next += 1
                continue
            heapq.heappop(waiting)
            self.next = index + 1
            yield self._frame(picture)

    def _miss(self, index: int, following: Picture) -> None:
        """No picture came of this packet."""
        why = self.video.why_missing(index)
        if why in ("hidden", "hidden key"):
            self.references.clear()
            self.damaged = self.damaged and why == "hidden"
        elif why == "lost" and not following.frame.interlaced_frame:  # interlaced: two packets for one picture
            self._lose()

    def _lose(self) -> None:
        self.damaged = True
        self.references.clear()

    def _frame(self, picture: Picture) -> CodedFrame:
        frame = picture.frame
        kind = _KINDS.get(int(frame.pict_type), "P")
        refers = kind != "B" if picture.refers is None else picture.refers
        is_reference = refers or not self.video.has_vectors
        damaged = self._watch(picture, is_reference)
        luma = luma_plane(frame) if self.video.uses_motion else None
        motion, measure = None, None
        if luma is not None and kind != "I" and not damaged:
            with self.video.stopwatch("motion"):
                motion = self._motion(picture, kind, luma)
        if luma is not None and motion is not None:
            measure = partial(self._measure, luma, self._lumas(motion), motion, picture.rounding)
        if luma is not None and is_reference and not damaged:
            new = _Reference(picture.index, picture.display, luma, motion)
            self.references = [*self.references, new][-REFERENCES_KEPT:]
        return CodedFrame(
            index=picture.index,
            display=picture.display,
            pts=frame.pts if self.video.has_pts else picture.display,
            time_base=(frame.time_base if self.video.has_pts else None) or self.video.time_base,
            kind=kind,
            width=frame.width,
            height=frame.height,
            damaged=damaged,
            motion=motion,
            picture=frame,
            convert=self.video.to_rgb,
            measure=measure,
            is_reference=is_reference,
            beyond=self.video.max_frames is not None and picture.display >= self.video.max_frames,
        )

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
        if frame.key_frame and not corrupt and self.damaged:
            self.damaged, self.mended = False, picture.display
        # B-frames shown before the key frame that mended the stream refer to what was lost.
        return self.damaged or corrupt or picture.display < self.mended

    def _motion(self, picture: Picture, kind: Kind, luma: Plane) -> Motion | None:
        """None where the vectors cannot be used: none there, fields of interlaced video, MPEG-4 B (all zero)."""
        frame = picture.frame
        if not self.video.has_vectors:
            return self._estimated(luma)
        records = cast("Any", frame.side_data).get(SideData.MOTION_VECTORS)
        if records is None or frame.interlaced_frame or (kind == "B" and self.video.codec == "mpeg4"):
            return None
        before = [r for r in self.references if r.display < picture.display]
        after = [r for r in self.references if r.display > picture.display]
        past = max(before, key=lambda r: r.display).index if before else None
        future = min(after, key=lambda r: r.display).index if after else None
        return motion_from_records(np.frombuffer(records, RECORD), frame.height, frame.width, past, future)

    def _estimated(self, luma: Plane) -> Motion | None:
        """From the picture shown before, which for such codecs is the last reference."""
        if not self.references:
            return None
        before = self.references[-1]
        seed = before.motion.fields[0] if before.motion is not None else None
        return estimate_motion(luma, before.luma, before.index, seed)

    def _lumas(self, motion: Motion) -> tuple[Plane, ...]:
        in_hand = {r.index: r.luma for r in self.references}
        return tuple(in_hand[field.reference] for field in motion.fields)

    def _measure(self, luma: Plane, lumas: tuple[Plane, ...], motion: Motion, rounding: int) -> Residual:
        with self.video.stopwatch("residual"):
            return measure_residual(luma, lumas, motion, self.video._thr_rgc, rounding)
