"""Single frames of many synthetic drives: a training set without outside data."""

from collections.abc import Iterable

from taplab.data.synthetic import SyntheticDrive
from taplab.types import Labels, Rgb


class SyntheticStills:
    """``per_drive`` frames spread over a drive of each seed, of ``height`` x ``width`` pixels."""

    _LENGTH = 120  # frames of each drive

    def __init__(self, seeds: Iterable[int], height: int, width: int, per_drive: int = 4) -> None:
        self._drives = [SyntheticDrive(height, width, self._LENGTH, seed) for seed in seeds]
        self._per_drive = per_drive
        self.classes = tuple(self._drives[0].classes)
        self.palette = self._drives[0].palette

    def __len__(self) -> int:
        return len(self._drives) * self._per_drive

    def __getitem__(self, index: int) -> tuple[Rgb, Labels]:
        """RGB uint8 ``[H, W, 3]`` and labels uint8 ``[H, W]``."""
        drive, k = divmod(index, self._per_drive)
        return self._drives[drive][k * self._LENGTH // self._per_drive]
