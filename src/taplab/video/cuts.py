"""Scene cuts: where motion explains little of a picture, nothing is carried over."""

from collections.abc import Callable

import numpy as np

from taplab.types import Motion, Plane
from taplab.video.estimate import estimate_motion
from taplab.video.residual import measure_residual

INTRA_SHARE = 0.4  # of blocks without a vector
RESIDUAL = 6.0  # grey levels per pixel
# Share of intra blocks, and share of the plain difference of the pictures that motion leaves as residual, added up. On
# fast synthetic drives with B-frames they reach 1.22; where one drive is cut to another they begin at 1.30.
UNEXPLAINED = 1.26
_LARGE = 480  # rows from which every other pixel is enough to compare I-frames by


def is_cut(motion: Motion, luma: Plane, reference: Plane, residual: Callable[[], float]) -> bool:
    """Does the frame that moved so begin a scene? uint8 ``[H, W]`` of it and of the frame that most of it comes from.

    residual: its score, asked for only where many blocks are intra. Both must be high, since encoders use intra blocks
    also where a picture is merely coarse, and residuals are also high where light changes. And the codec's motion must
    explain hardly more than standing still does: through a fast pan half the blocks are intra, but the others follow
    it. (Estimated motion does not count for that: a search finds something alike in any picture.)
    """
    intra = 1 - float(motion.coded.mean())
    if intra < INTRA_SHARE:
        return False
    score = residual()
    if score < RESIDUAL:
        return False
    if motion.origin == "estimated":
        return True
    return intra + score / _difference(luma, reference) >= UNEXPLAINED


def _difference(luma: Plane, other: Plane) -> float:
    """Mean difference of two pictures in grey levels, not 0."""
    return max(float(np.abs(luma[::2, ::2].astype(np.int16) - other[::2, ::2]).mean()), 1.0)


def is_new_scene(luma: Plane, before: Plane) -> bool:
    """Does an I-frame begin a scene? uint8 ``[H, W]`` of it and of the frame before."""
    if luma.shape != before.shape:
        return True
    if luma.shape[0] >= _LARGE:
        luma, before = np.ascontiguousarray(luma[::2, ::2]), np.ascontiguousarray(before[::2, ::2])
    motion = estimate_motion(luma, before, 0)
    return is_cut(motion, luma, before, lambda: measure_residual(luma, (before,), motion, 255).score)
