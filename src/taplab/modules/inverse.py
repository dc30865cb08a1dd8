"""Codec vectors point to the past. To look back from the next key frame they are turned round."""

import numpy as np
from numpy.typing import NDArray

from taplab.compiled import njit
from taplab.types import MOTION_BLOCK, MotionField
from taplab.video.motion import fill_from_nearest


def invert(field: MotionField, frame: int) -> MotionField:
    """Where each block of the *reference* goes in ``frame``, from where each block of ``frame`` comes from.

    Every block is moved to where it comes from and leaves its negated vector there. Where several meet, the longest
    vector stands, because what moves covers what rests; blocks that none reaches (they get covered) take the nearest
    vector.
    """
    vectors, hit = np.zeros_like(field.vectors), np.zeros(field.weight.shape, np.bool_)
    _splat(field.vectors, vectors, hit)
    if not hit.any():  # everything leaves the picture
        return MotionField(frame, -field.vectors, np.ones_like(field.weight))
    fill_from_nearest(vectors, hit)
    return MotionField(frame, vectors, np.ones_like(field.weight))


@njit(cache=True, nogil=True)
def _splat(
    vectors: NDArray[np.float32], out: NDArray[np.float32], hit: NDArray[np.bool_]
) -> None:  # pragma: no cover - compiled
    rows, cols = hit.shape
    longest = np.full((rows, cols), np.float32(-1))
    for i in range(rows):
        for j in range(cols):
            dx, dy = vectors[i, j, 0], vectors[i, j, 1]
            y, x = i + int(np.rint(dy / MOTION_BLOCK)), j + int(np.rint(dx / MOTION_BLOCK))
            if 0 <= y < rows and 0 <= x < cols and dx * dx + dy * dy > longest[y, x]:
                longest[y, x] = dx * dx + dy * dy
                out[y, x, 0], out[y, x, 1] = -dx, -dy
                hit[y, x] = True
