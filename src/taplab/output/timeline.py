"""When each frame of a written video is shown: the source's timestamps, mended only where no file could hold them."""

from fractions import Fraction

LONGEST_LEAD = 10  # seconds: a later start would show nothing for too long and is moved to zero
SMALL_STEP_BACK = Fraction(1, 10)  # seconds: anything less is disorder, anything more a new count, as for FFmpeg
WIDEST_GAP = 2**31 - 1  # ticks: an mp4 can hold no longer frame


class Timeline:
    """Timestamps in units of ``time_base``, strictly increasing.

    A source that begins before zero, or more than LONGEST_LEAD seconds after, is shifted as a whole to begin at zero
    (players show nothing up to the first timestamp). Where its count starts anew, as when streams are joined, or
    leaves a gap that no mp4 can hold, the frames follow on one frame later. Frames without a timestamp stand at their
    display index over ``rate``.

    shift: seconds that were added to the source's times at the start.
    """

    def __init__(self, time_base: Fraction, rate: Fraction) -> None:
        self.time_base = time_base
        self.shift = Fraction(0)
        self.frame_ticks = max(1, round(1 / rate / time_base))
        self._rate = rate
        self._offset = 0
        self._last: int | None = None

    def place(self, pts: int | None, time_base: Fraction, index: int) -> int:
        """The timestamp of the frame at ``index`` in display order, which the source shows at pts * time_base."""
        seconds = index / self._rate if pts is None else pts * time_base
        wanted = round(seconds / self.time_base)
        if self._last is None:
            self._begin(seconds)
            self._last = wanted + self._offset - 1
        wanted += self._offset
        if (self._last - wanted) * self.time_base >= SMALL_STEP_BACK or wanted - self._last > WIDEST_GAP:
            step = self._last + self.frame_ticks - wanted
            self._offset += step
            wanted += step
        self._last = max(wanted, self._last + 1)
        return self._last

    def lasting(self, seconds: Fraction) -> int:
        """Ticks of a frame that is shown for ``seconds``; of one that does not tell (0), those of the rate."""
        return min(round(seconds / self.time_base), WIDEST_GAP) or self.frame_ticks

    def _begin(self, seconds: Fraction) -> None:
        if not 0 <= seconds <= LONGEST_LEAD:
            self._offset = -round(seconds / self.time_base)
            self.shift = self._offset * self.time_base
