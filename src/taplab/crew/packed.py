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
    classes, ends = np.empty(flat.size, np.uint8), np.empty(flat.size, np.int32)  # only what is written takes memory
    runs = _cut(flat, flat[: flat.size // 8 * 8].view(np.uint64), classes, ends)
    rest = replace(result, labels=classes[:0].reshape(0, 0), frame=_alone(result.frame))
    return Packed(rest, result.labels.shape, classes[:runs].copy(), ends[:runs].copy())


def _alone(frame: CodedFrame) -> CodedFrame:
    """Without what is of use to its own process only. Of motion the origin stays."""
    motion = None if frame.motion is None else Motion((), np.zeros((0, 0), np.bool_), frame.motion.origin)
    return replace(frame, motion=motion, picture=None, convert=no_picture, measure=None, colours=None, known=None)  # type: ignore[arg-type]


def no_picture(picture: "av.VideoFrame") -> Rgb:
    """Raises SettingError."""
    raise SettingError("the pictures of frames stay with the processes that segment them; leave processes out")


@njit(cache=True, nogil=True)
def _cut(
    flat: Labels, words: NDArray[np.uint64], classes: Labels, ends: NDArray[np.int32]
) -> int:  # pragma: no cover - compiled
    """How many runs. words: the same, eight pixels each, most of which are of the class that goes on."""
    run, now = 0, flat[0]
    eight = np.uint64(now) * np.uint64(0x0101010101010101)
    for word in range(words.size + 1):
        if word < words.size and words[word] == eight:
            continue
        for i in range(8 * word, min(8 * word + 8, flat.size)):
            if flat[i] != now:
                classes[run], ends[run] = now, i
                run, now = run + 1, flat[i]
        eight = np.uint64(now) * np.uint64(0x0101010101010101)
    classes[run], ends[run] = now, flat.size
    return run + 1


@njit(cache=True, nogil=True)
def _fill(classes: Labels, ends: NDArray[np.int32], flat: Labels) -> None:  # pragma: no cover - compiled
    begin = 0
    for run in range(classes.size):
        flat[begin : ends[run]] = classes[run]
        begin = ends[run]
