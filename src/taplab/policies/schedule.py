"""When does ``live`` run the network? Decided on every frame as it comes, before the network is asked."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from taplab.policies.paper import Paper, PaperSettings
from taplab.policies.side import Side
from taplab.types import CodedFrame


class Schedule(ABC):
    """Decides when the network runs, for one stream."""

    @abstractmethod
    def key(self, frame: CodedFrame, sides: Sequence[Side]) -> bool:
        """Is it a key frame? Called once for every frame, with the ways to the key frames; without any it must be."""

    def region(self, frame: CodedFrame, cost: float) -> bool:
        """Is a region of it to be seen? Called once for every frame that is no key frame, where regions pay.

        cost: of a region, in network passes. One of a frame that no other refers to would be of no use to others.
        """
        return False

    def tries(self, cost: float) -> bool:
        """May the network see a region of the key frame, too, to find out whether regions pay?"""
        return True


class Regular(Schedule):
    """The key frames of ``Paper``, and regions a quarter of the interval apart."""

    def __init__(self, settings: PaperSettings) -> None:
        self._keys = Paper(settings)
        self._between = max(round(settings.interval / 4), 2)  # frames from one key frame or region to the next
        self._seen = 0  # display position of the last one

    def key(self, frame: CodedFrame, sides: Sequence[Side]) -> bool:
        """See ``Schedule``."""
        due = not sides or self._keys.is_key(frame)
        if due:
            self._seen = frame.display
        return due

    def region(self, frame: CodedFrame, cost: float) -> bool:
        """See ``Schedule``."""
        due = frame.is_reference and frame.display - self._seen >= self._between
        if due:
            self._seen = frame.display
        return due
