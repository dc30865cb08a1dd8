"""How one picture moved, and which scene it belongs to: worked out beside other pictures, where there are cores."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np
from av.sidedata.sidedata import SideDataContainer
from av.sidedata.sidedata import Type as SideData

from taplab.timing import Stopwatch
from taplab.types import CodedFrame, Kind, Motion, Plane, Refine, Residual
from taplab.video.around import estimated_around, is_fast, refined, with_intra_estimated
from taplab.video.cuts import is_cut, is_estimated_cut, is_new_scene
from taplab.video.motion import RECORD, without_margin
from taplab.video.picture import Picture
from taplab.video.references import Reference, coded_motion
from taplab.video.residual import measure_residual


@dataclass(frozen=True, eq=False)
class Following:
    """All that the motion of a picture depends on. It changes no more, so that any thread may work it out.

    this: the picture as others will refer to it. kind, kind_before: its own, and that of the picture coded before it.
    references: those in hand; what they are asked for may be on its way on other threads. codec: None where it has no
    vectors. several: the picture may come from others than the nearest. cut_off: columns and rows of the coded picture
    to its left and above it that are not shown.
    """

    picture: Picture
    this: Reference
    kind: Kind
    kind_before: Kind | None
    references: Sequence[Reference]
    codec: str | None
    several: bool
    cut_off: tuple[int, int]
    refine: Refine
    thr_rgc: int
    stopwatch: Stopwatch

    def work_out(self) -> None:
        """Tells all who wait for the motion and the scene of this picture."""
        found: Future[tuple[Motion | None, int]] = self.this.found
        try:
            with self.stopwatch("motion"):
                motion, parent = self._followed()
            found.set_result((motion, self.picture.index + 1 if parent is None else parent.scene))
        except BaseException as error:  # raised where it is asked for
            found.set_exception(error)

    def give(self, frame: CodedFrame) -> None:
        """Gives a frame what was found, and the means to measure its residual."""
        frame.motion, frame.scene = self.this.found.result()
        if frame.motion is not None:
            lumas = self._lumas(frame.motion)
            frame.measure = partial(_measure, self.this.luma, lumas, frame.motion, self._how, self.stopwatch)

    @property
    def _how(self) -> tuple[int, int]:
        return self.thr_rgc, self.picture.rounding

    def _followed(self) -> tuple[Motion | None, Reference | None]:
        """The motion, and a picture of the same scene; no motion at a cut, and no such picture where a scene begins.

        An I-frame after an I-frame belongs to a stream of nothing else: it is followed like any other.
        """
        shown_before = [r for r in self.references if r.display < self.picture.display]
        before = max(shown_before, key=lambda r: r.display, default=None)
        if self.kind == "I" and self.kind_before != "I":
            new = before is None or is_new_scene(self.this.luma, before.luma)
            return None, None if new else before
        motion = self._motion()
        if motion is None:
            return None, before
        if self._is_cut(motion):
            return None, None
        motion = self._improved(motion)
        return motion, next(r for r in self.references if r.index == motion.fields[0].reference)

    def _motion(self) -> Motion | None:
        """The codec's, or estimated where it cannot be used: none there, fields of interlaced video, MPEG-4 B (zeros).

        None where there is nothing in hand to come from.
        """
        frame, this = self.picture.frame, self.this
        # Not frame.side_data: that is kept by the frame and keeps the frame, until the garbage collector comes.
        side_data = None if self.codec is None else cast("Any", SideDataContainer)(frame)
        records = None if side_data is None else side_data.get(SideData.MOTION_VECTORS)
        if records is None or frame.interlaced_frame or (self.kind == "B" and self.codec == "mpeg4"):
            return estimated_around(this, self.references)
        vectors = without_margin(np.frombuffer(records, RECORD), *self.cut_off)
        motion = coded_motion(vectors, this.luma, this.display, self.references, several=self.several)
        return motion or estimated_around(this, self.references)

    def _is_cut(self, motion: Motion) -> bool:
        if motion.origin == "estimated":
            return is_estimated_cut(motion)
        luma, lumas = self.this.luma, self._lumas(motion)
        return is_cut(motion, luma, lumas[0], lambda: _measure(luma, lumas, motion, self._how, self.stopwatch).score)

    def _improved(self, motion: Motion) -> Motion:
        """The codec's searched anew, all of it or its intra blocks, where that is asked for or worth it."""
        if motion.origin != "codec":
            return motion
        if self.refine == "always" or (self.refine == "fast" and is_fast(motion)):
            return refined(motion, self.this, self.references)
        return with_intra_estimated(motion, self.this, self.references)

    def _lumas(self, motion: Motion) -> tuple[Plane, ...]:
        in_hand = {r.index: r.luma for r in self.references}
        return tuple(in_hand[field.reference] for field in motion.fields)


def _measure(
    luma: Plane, lumas: tuple[Plane, ...], motion: Motion, how: tuple[int, int], stopwatch: Stopwatch
) -> Residual:
    """how: the threshold of Eq. 3, and MPEG-4's rounding type."""
    with stopwatch("residual"):
        return measure_residual(luma, lumas, motion, *how)
