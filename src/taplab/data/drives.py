"""Synthetic drives as clips with labels on every frame."""

from collections.abc import Iterable
from functools import cached_property

from taplab import __version__
from taplab.data.clips import ClipSet, digest
from taplab.data.synthetic import SyntheticDrive
from taplab.types import Labels, Rgb


class DriveClip:
    """A ``SyntheticDrive`` as a ``LabelledClip``; frames and labels are drawn when asked for."""

    def __init__(self, drive: SyntheticDrive) -> None:
        self._drive = drive
        self.name = f"drive-{drive.height}x{drive.width}-{drive.speed}-{drive.seed}"
        self.fps = drive.fps
        self.size = drive.height, drive.width
        self.labelled = tuple(range(len(drive)))

    @cached_property
    def identity(self) -> str:
        """Hash of the drive's settings and of taplab's version, which may draw it differently."""
        return digest(self.name, len(self), __version__)

    def __len__(self) -> int:
        return len(self._drive)

    def frame(self, index: int) -> Rgb:
        """uint8 ``[H, W, 3]``."""
        return self._drive[index][0]

    def truth(self, index: int) -> Labels:
        """uint8 ``[H, W]``."""
        return self._drive[index][1]


def drive_clips(
    seeds: Iterable[int], height: int = 1024, width: int = 2048, frames: int = 30, *, speed: str = "medium"
) -> ClipSet:
    """One drive for each seed, of CamVid's 11 classes. Raises SettingError as ``SyntheticDrive`` does."""
    clips = [DriveClip(SyntheticDrive(height, width, frames, seed, speed=speed)) for seed in seeds]
    return ClipSet(f"drive-{height}x{width}-{speed}", SyntheticDrive.classes, SyntheticDrive.palette, clips)
