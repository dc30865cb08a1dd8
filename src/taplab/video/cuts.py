"""Scene cuts: where motion explains little of a picture, nothing is carried over."""

from collections.abc import Callable

import numpy as np

from taplab.types import Motion, Plane
from taplab.video.estimate import estimate_motion

INTRA_SHARE = 0.4  # of blocks without a vector
RESIDUAL = 6.0  # grey levels per pixel
# Of blocks that estimated motion does not explain: at most 0.04 from frame to frame of synthetic drives, 0.15 over four
# frames; 0.3 or more in 99 of 100 pairs of different drives. A cut too many costs a pass, one too few wrong labels.
ESTIMATED_SHARE = 0.28
# Share of intra blocks, and share of the plain difference of the pictures that motion leaves as residual, added up. On
# fast synthetic drives with B-frames they reach 1.22; where one drive is cut to another they begin at 1.30.
UNEXPLAINED = 1.26


def is_cut(motion: Motion, luma: Plane, reference: Plane, residual: Callable[[], float]) -> bool:
    """Does the frame that moved so begin a scene? uint8 ``[H, W]`` of it and of the frame that most of it comes from.

    residual: its score, asked for only where many blocks are intra. Both must be high, since encoders use intra blocks
    also where a picture is merely coarse, and residuals are also high where light changes. And the codec's motion must
    explain hardly more than standing still does: through a fast pan half the blocks are intra, but the others follow
    it.
    """
    intra = 1 - float(motion.coded.mean())
    if intra < INTRA_SHARE:
        return False
    score = residual()
    if score < RESIDUAL:
        return False
    return intra + score / _difference(luma, reference) >= UNEXPLAINED


def _difference(luma: Plane, other: Plane) -> float:
    """Mean difference of two pictures in grey levels, not 0."""
    return max(float(np.abs(luma[::2, ::2].astype(np.int16) - other[::2, ::2]).mean()), 1.0)


def is_estimated_cut(motion: Motion) -> bool:
    """Does a frame begin a scene of which the best motion that can be found explains so little?"""
    return 1 - float(motion.coded.mean()) >= ESTIMATED_SHARE


def is_new_scene(luma: Plane, before: Plane) -> bool:
    """Does an I-frame begin a scene? uint8 ``[H, W]`` of it and of the frame before."""
    return luma.shape != before.shape or is_estimated_cut(estimate_motion(luma, before, 0))
