"""Consecutive frames of which some have labels: what a video method is scored on."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol, TypeVar

from taplab.data.images import image_size, read_rgb, require_size
from taplab.data.readers import LabelReader
from taplab.types import Labels, Palette, Rgb

T = TypeVar("T")


class LabelledClip(Protocol):
    """Frames in display order, read or drawn when asked for."""

    @property
    def name(self) -> str:
        """Unique in its set, fit for a file name."""

    @property
    def identity(self) -> str:
        """Other for other content, to know what a cache was made of."""

    @property
    def fps(self) -> float:
        """Frames a second."""

    @property
    def size(self) -> tuple[int, int]:
        """(rows, columns)."""

    @property
    def labelled(self) -> tuple[int, ...]:
        """Positions of the frames that have labels, ascending."""

    def __len__(self) -> int: ...

    def frame(self, index: int) -> Rgb:
        """uint8 ``[H, W, 3]``."""

    def truth(self, index: int) -> Labels:
        """uint8 ``[H, W]`` class ids, ``IGNORE`` (255) where no class is known. Only of labelled frames."""


@dataclass(frozen=True)
class ClipSet:
    """Clips with one list of classes.

    name: for tables and files, such as "cityscapes-val". notes: what a reader of the scores should know of the clips.
    """

    name: str
    classes: tuple[str, ...]
    palette: Palette
    clips: Sequence[LabelledClip]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class FileClip:
    """Frames in image files, and label files of some of them (by position). Nothing is read before it is asked for."""

    name: str
    fps: float
    frames: Sequence[Path]
    labels: Mapping[int, Path]
    read: LabelReader

    def __len__(self) -> int:
        return len(self.frames)

    @cached_property
    def size(self) -> tuple[int, int]:
        """(rows, columns) of the first frame."""
        return image_size(self.frames[0])

    @cached_property
    def labelled(self) -> tuple[int, ...]:
        """Positions of the frames that have labels, ascending."""
        return tuple(sorted(self.labels))

    @cached_property
    def identity(self) -> str:
        """Hash of rate, and of name, size in bytes and time of change of every file; where they lie does not matter."""
        files = [*self.frames, *(self.labels[i] for i in self.labelled)]
        stats = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
        return digest(self.fps, self.labelled, stats)

    def every(self, n: int) -> "FileClip":
        """Every n-th frame, at an n-th of the rate: n times the motion."""
        labels = {index // n: file for index, file in self.labels.items() if index % n == 0}
        return replace(self, name=f"{self.name}-{n}", fps=self.fps / n, frames=self.frames[::n], labels=labels)

    def frame(self, index: int) -> Rgb:
        """uint8 ``[H, W, 3]``. Raises SourceError if the file is no image, or not as large as the first."""
        rgb = read_rgb(self.frames[index])
        require_size(self.frames[index], rgb.shape, self.frames[0], self.size)
        return rgb

    def truth(self, index: int) -> Labels:
        """uint8 ``[H, W]``. Raises SourceError for an unknown id or a wrong size, IndexError without labels."""
        if index not in self.labels:
            raise IndexError(f"frame {index} of {self.name} has no labels; those of {self.labelled} have")
        labels = self.read(self.labels[index])
        require_size(self.labels[index], labels.shape, self.frames[index], self.size)
        return labels


def digest(*values: object) -> str:
    """A short hash of how the values are written."""
    return hashlib.sha256(repr(values).encode()).hexdigest()[:16]


def spread(items: Sequence[T], most: int | None) -> Sequence[T]:
    """At most ``most`` of the items, spread evenly over them; all of them for None."""
    if most is None or most >= len(items):
        return items
    return [items[i * len(items) // most] for i in range(most)]
