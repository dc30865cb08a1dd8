"""Scene cuts: where motion explains little of a picture, nothing is carried over."""

from collections.abc import Callable

import numpy as np

from taplab.types import Motion, Plane
from taplab.video.estimate import estimate_motion
from taplab.video.residual import measure_residual

# Share of blocks without a vector. Above the higher one, a picture has next to nothing from another. Between them are
# fast pans, too: of synthetic drives with B-frames, up to 0.6; hard cuts between drives begin at 0.85.
INTRA_SHARE, NEARLY_ALL = 0.4, 0.7
RESIDUAL = 6.0  # grey levels per pixel
# Of the residual to the plain difference of the two pictures. Fast drives reach 0.67, hard cuts begin at 0.74.
UNEXPLAINED = 0.7
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
    if intra >= NEARLY_ALL or motion.origin == "estimated":
        return True
    return score >= UNEXPLAINED * _difference(luma, reference)


def _difference(luma: Plane, other: Plane) -> float:
    """Mean difference of two pictures in grey levels."""
    return float(np.abs(luma[::2, ::2].astype(np.int16) - other[::2, ::2]).mean())


def is_new_scene(luma: Plane, before: Plane) -> bool:
    """Does an I-frame begin a scene? uint8 ``[H, W]`` of it and of the frame before."""
    if luma.shape != before.shape:
        return True
    if luma.shape[0] >= _LARGE:
        luma, before = np.ascontiguousarray(luma[::2, ::2]), np.ascontiguousarray(before[::2, ::2])
    motion = estimate_motion(luma, before, 0)
    return is_cut(motion, luma, before, lambda: measure_residual(luma, (before,), motion, 255).score)
