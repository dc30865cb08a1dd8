"""How well frames match their key frames, and what that is predicted to cost."""

from collections.abc import Sequence

from taplab.policies.dial import Relation
from taplab.policies.side import Side
from taplab.scoremap.cells import CellPicture, cell_picture
from taplab.scoremap.mismatch import grid, mismatch
from taplab.types import CodedFrame

# Mean mismatch of the frames after a key frame, relative to that of the one in the middle; on drives, +- 0.05.
BETWEEN, ONE_SIDED = 0.92, 0.96  # with a key frame on both sides, on one

_PICTURES_KEPT = 64  # of 45x60 cells, 43 kB each


class Forecast:
    """Of one stream: adds up the mismatch of its frames. loss: what is predicted for it so far, in points of mIoU."""

    def __init__(self, relation: Relation) -> None:
        self.relation = relation
        self.frames, self.total = 0, 0.0
        self._pictures: dict[int, CellPicture] = {}  # of the newest frames that were compared, by coded index

    @property
    def mean(self) -> float:
        """Of the mismatch, in grey levels."""
        return self.total / max(self.frames, 1)

    @property
    def loss(self) -> float | None:
        """None before the first frame."""
        return self.relation.loss(self.mean) if self.frames else None

    def add(self, frames: int, mismatch: float = 0.0) -> None:
        """So many frames, with their mean mismatch; key frames have none."""
        self.frames += frames
        self.total += frames * mismatch

    def compare(self, frame: CodedFrame, sides: Sequence[Side]) -> float:
        """The mismatch of a frame with the key frames that the sides lead to, in grey levels."""
        cells = grid((frame.height, frame.width))
        found = [(self._picture(s.key.frame, cells), s.coarse) for s in sides if s.coarse is not None]
        return mismatch(self._picture(frame, cells), found)

    def _picture(self, frame: CodedFrame, cells: tuple[int, int]) -> CellPicture:
        found = self._pictures.get(frame.index)
        if found is None or found.shape[:2] != cells:
            found = self._pictures[frame.index] = cell_picture(frame.picture, cells)
            while len(self._pictures) > _PICTURES_KEPT:
                del self._pictures[next(iter(self._pictures))]
        return found
