"""Motion for frames that the stream has none for, so that they need not be key frames."""

from collections.abc import Iterable, Iterator

import numpy as np

from taplab.policies.side import estimated
from taplab.types import CodedFrame, Motion


def bridged(frames: Iterable[CodedFrame]) -> Iterator[CodedFrame]:
    """Frames in coded order; I-frames, pictures of intra-only codecs and others without vectors get estimated motion.

    From the newest reference frame. Never out of damage or into it, nor to another size or scene.
    """
    newest: CodedFrame | None = None
    for frame in frames:
        if frame.motion is None and newest is not None and _is_sound(frame, newest):
            field = estimated(frame, newest)
            frame.motion = Motion((field,), np.ones(field.weight.shape, np.bool_), "estimated")
        if frame.is_reference:
            newest = frame
        yield frame


def _is_sound(frame: CodedFrame, before: CodedFrame) -> bool:
    same = (frame.height, frame.width) == (before.height, before.width)
    return same and frame.scene == before.scene and not frame.damaged and not before.damaged
