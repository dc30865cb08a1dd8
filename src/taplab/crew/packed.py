"""Results as they travel between processes: labels as runs of one class, frames without their pictures."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from taplab.compiled import njit
from taplab.errors import SettingError
from taplab.types import CodedFrame, Labels, Motion, Result, Rgb

if TYPE_CHECKING:
    import av


@dataclass(frozen=True)
class Packed:
    """A result whose labels are ``classes`` uint8 ``[n]`` that end before the pixels ``ends`` int32 ``[n]``, by rows.

    A label map is some hundred times smaller so, and both ways take less than a copy through a pipe would.
    """

    result: Result
    size: tuple[int, int]
    classes: Labels
    ends: NDArray[np.int32]

    def unpacked(self) -> Result:
        """The result; its frame has no picture."""
        labels = np.empty(self.size, np.uint8)
        _fill(self.classes, self.ends, labels.reshape(-1))
        return replace(self.result, labels=labels)


def packed(result: Result) -> Packed:
    """See ``Packed``."""
    flat = np.ascontiguousarray(result.labels).reshape(-1)
    runs = _count(flat)
    classes, ends = np.empty(runs, np.uint8), np.empty(runs, np.int32)
    _cut(flat, classes, ends)
    rest = replace(result, labels=classes[:0].reshape(0, 0), frame=_alone(result.frame))
    return Packed(rest, result.labels.shape, classes, ends)


def _alone(frame: CodedFrame) -> CodedFrame:
    """Without what is of use to its own process only. Of motion the origin stays."""
    motion = None if frame.motion is None else Motion((), np.zeros((0, 0), np.bool_), frame.motion.origin)
    return replace(frame, motion=motion, picture=None, convert=no_picture, measure=None, colours=None, known=None)  # type: ignore[arg-type]


def no_picture(picture: "av.VideoFrame") -> Rgb:
    """Raises SettingError."""
    raise SettingError("the pictures of frames stay with the processes that segment them; leave processes out")


@njit(cache=True, nogil=True)
def _count(flat: Labels) -> int:  # pragma: no cover - compiled
    runs = min(flat.size, 1)
    for i in range(1, flat.size):
        runs += flat[i] != flat[i - 1]
    return runs


@njit(cache=True, nogil=True)
def _cut(flat: Labels, classes: Labels, ends: NDArray[np.int32]) -> None:  # pragma: no cover - compiled
    run = 0
    for i in range(1, flat.size):
        if flat[i] != flat[i - 1]:
            classes[run], ends[run] = flat[i - 1], i
            run += 1
    if flat.size:
        classes[run], ends[run] = flat[-1], flat.size


@njit(cache=True, nogil=True)
def _fill(classes: Labels, ends: NDArray[np.int32], flat: Labels) -> None:  # pragma: no cover - compiled
    begin = 0
    for run in range(classes.size):
        flat[begin : ends[run]] = classes[run]
        begin = ends[run]
