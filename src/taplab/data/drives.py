"""Synthetic drives as clips with labels on every frame."""

from collections.abc import Iterable, Sequence
from functools import cached_property

from taplab import __version__
from taplab.data.clips import ClipSet, digest
from taplab.data.synthetic import SyntheticDrive
from taplab.errors import SettingError
from taplab.types import Labels, Rgb


class DriveClip:
    """A ``SyntheticDrive`` as a ``LabelledClip``; frames are drawn when asked for, and their labels remembered."""

    def __init__(self, drive: SyntheticDrive) -> None:
        self.drive = drive
        self.name = f"drive-{drive.height}x{drive.width}-{drive.speed}-{drive.seed}"
        self.fps = drive.fps
        self.size = drive.height, drive.width
        self.labelled = tuple(range(len(drive)))
        self._truth: dict[int, Labels] = {}

    @cached_property
    def identity(self) -> str:
        """Hash of the drive's settings and of taplab's version, which may draw it differently."""
        return digest(self.name, len(self), __version__)

    def __len__(self) -> int:
        return len(self.drive)

    def frame(self, index: int) -> Rgb:
        """uint8 ``[H, W, 3]``."""
        rgb, self._truth[index] = self.drive[index]
        return rgb

    def truth(self, index: int) -> Labels:
        """uint8 ``[H, W]``."""
        if index not in self._truth:
            self.frame(index)
        return self._truth[index]


def drive_clips(
    seeds: Iterable[int],
    height: int = 1024,
    width: int = 2048,
    frames: int = 30,
    *,
    speeds: Sequence[str] = ("medium",),
) -> ClipSet:
    """A drive for each speed and seed, of CamVid's 11 classes.

    Raises SettingError as ``SyntheticDrive`` does, and for a speed or seed that is given twice.
    """
    seeds = tuple(seeds)
    for name, given in (("seeds", seeds), ("speeds", speeds)):
        if len(set(given)) < len(given):
            raise SettingError(f"{name} {','.join(map(str, given))}: give each once")
    clips = [DriveClip(SyntheticDrive(height, width, frames, s, speed=speed)) for speed in speeds for s in seeds]
    name = f"drive-{height}x{width}-{'-'.join(speeds)}"
    return ClipSet(name, SyntheticDrive.classes, SyntheticDrive.palette, clips)
