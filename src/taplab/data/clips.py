"""Consecutive frames of which some have labels: what a video method is scored on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from taplab.types import Labels, Palette, Rgb


class LabelledClip(Protocol):
    """Frames in display order, read or drawn when asked for.

    name: unique in its set, fit for a file name. identity: other for other content, to know what a cache was made of.
    size: (rows, columns). labelled: positions of the frames that have labels, ascending.
    """

    name: str
    identity: str
    fps: float
    size: tuple[int, int]
    labelled: tuple[int, ...]

    def __len__(self) -> int: ...

    def frame(self, index: int) -> Rgb:
        """uint8 ``[H, W, 3]``."""

    def truth(self, index: int) -> Labels:
        """uint8 ``[H, W]`` class ids, ``IGNORE`` (255) where no class is known. Only of labelled frames."""


@dataclass(frozen=True)
class ClipSet:
    """Clips with one list of classes. name: for tables and files, such as "cityscapes-val"."""

    name: str
    classes: tuple[str, ...]
    palette: Palette
    clips: Sequence[LabelledClip]
