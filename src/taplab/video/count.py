"""One count of frames and one time over what is opened one after another: connections, parts of a file."""

import time
from dataclasses import replace
from fractions import Fraction

from taplab.types import CodedFrame


class Count:
    """Numbers the frames of one part or connection after another."""

    def __init__(self) -> None:
        self._index = self._display = self._scene = 0  # first of this part
        self._next_index = self._next_display = self._next_scene = 0
        self._shift: Fraction | None = Fraction(0)  # seconds; None: its first frame will tell
        self._latest: Fraction | None = None  # time stamp in seconds
        self._came = time.monotonic()  # when it did

    def begin(self, *, timed: bool = False) -> None:
        """A new part. Unless ``timed``, its first time stamp is the last one before plus the seconds that passed."""
        self._index, self._display, self._scene = self._next_index, self._next_display, self._next_scene
        self._shift = Fraction(0) if timed else None

    def on(self, frame: CodedFrame) -> CodedFrame:
        """The frame, numbered and timed after those before."""
        frame.index += self._index
        frame.display += self._display
        frame.scene += self._scene
        if frame.motion is not None and self._index:
            fields = (replace(field, reference=field.reference + self._index) for field in frame.motion.fields)
            frame.motion = replace(frame.motion, fields=tuple(fields))
        self._next_index = max(self._next_index, frame.index + 1)
        self._next_display = max(self._next_display, frame.display + 1)
        self._next_scene = max(self._next_scene, frame.scene + 1)
        frame.pts = self._timed(frame.pts, frame.time_base)
        return frame

    def _timed(self, pts: int | None, time_base: Fraction) -> int | None:
        """RTSP gives the first frames none."""
        now, latest = time.monotonic(), self._latest
        if self._shift is None and latest is not None:
            due = latest + Fraction(now - self._came).limit_denominator(1000)
            if pts is None:
                return round(due / time_base)
            self._shift = due - pts * time_base
        if pts is not None:
            pts += round((self._shift or 0) / time_base)
            self._latest, self._came = pts * time_base if latest is None else max(latest, pts * time_base), now
        return pts
