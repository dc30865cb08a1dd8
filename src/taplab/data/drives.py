"""Synthetic drives as labelled clips: exact truth for every frame, at any size and speed."""

from collections.abc import Iterable

from taplab.data.clips import ClipSet
from taplab.data.synthetic import SyntheticDrive
from taplab.types import Labels, Rgb


class DriveClip:
    """A ``SyntheticDrive`` as a ``LabelledClip``. Labels of frames that were drawn are remembered; pictures are not."""

    def __init__(self, drive: SyntheticDrive) -> None:
        self.drive = drive
        self.name = f"drive-{drive.speed}-{drive.seed}"
        self.identity = f"drive {drive.height}x{drive.width} {drive.frames} {drive.seed} {drive.speed}"
        self.fps = drive.fps
        self.size = drive.height, drive.width
        self.labelled = tuple(range(len(drive)))
        self._truth: dict[int, Labels] = {}

    def __len__(self) -> int:
        return len(self.drive)

    def frame(self, index: int) -> Rgb:
        """uint8 ``[H, W, 3]``."""
        rgb, self._truth[index] = self.drive[index]
        return rgb

    def truth(self, index: int) -> Labels:
        """uint8 ``[H, W]`` class ids."""
        if index not in self._truth:
            self.frame(index)
        return self._truth[index]


def drive_clips(seeds: Iterable[int], height: int, width: int, frames: int, speeds: Iterable[str]) -> ClipSet:
    """A drive of each seed at each speed, of ``frames`` frames of ``height`` x ``width`` pixels."""
    speeds = tuple(speeds)
    clips = [DriveClip(SyntheticDrive(height, width, frames, s, speed=speed)) for speed in speeds for s in seeds]
    drive = SyntheticDrive
    return ClipSet(f"synthetic {'+'.join(speeds)} {height}x{width}", drive.classes, drive.palette, clips)
