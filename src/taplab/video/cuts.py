"""Scene cuts: where motion explains little of a picture, nothing is carried over."""

from collections.abc import Callable

from taplab.types import Motion, Plane
from taplab.video.estimate import estimate_motion

# Of blocks without a vector. On real clips fast pans reach half; their residual tells them from cuts.
INTRA_SHARE = 0.4
RESIDUAL = 6.0  # grey levels per pixel
# Of blocks that estimated motion does not explain: at most 0.04 from frame to frame of synthetic drives, 0.15 over four
# frames; 0.3 or more in 99 of 100 pairs of different drives. A cut too many costs a pass, one too few wrong labels.
ESTIMATED_SHARE = 0.28


def is_cut(motion: Motion, residual: Callable[[], float]) -> bool:
    """Does the frame that moved so begin a scene? ``residual``: its score, asked for only where many blocks are intra.

    Both must be high: encoders use intra blocks also where a picture is merely coarse, and residuals are also high
    where light changes.
    """
    return 1 - float(motion.coded.mean()) >= INTRA_SHARE and residual() >= RESIDUAL


def is_estimated_cut(motion: Motion) -> bool:
    """Does a frame begin a scene of which the best motion that can be found explains so little?"""
    return 1 - float(motion.coded.mean()) >= ESTIMATED_SHARE


def is_new_scene(luma: Plane, before: Plane) -> bool:
    """Does an I-frame begin a scene? uint8 ``[H, W]`` of it and of the frame before."""
    return luma.shape != before.shape or is_estimated_cut(estimate_motion(luma, before, 0))
