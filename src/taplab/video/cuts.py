"""Scene cuts: where motion explains little of a picture, nothing is carried over."""

from collections.abc import Callable

import numpy as np

from taplab.types import Motion, Plane
from taplab.video.estimate import estimate_motion
from taplab.video.residual import measure_residual

# Of blocks without a vector. On real clips fast pans reach half; their residual tells them from cuts.
INTRA_SHARE = 0.4
RESIDUAL = 6.0  # grey levels per pixel
_LARGE = 480  # rows from which every other pixel is enough to compare I-frames by


def is_cut(motion: Motion, residual: Callable[[], float]) -> bool:
    """Does the frame that moved so begin a scene? ``residual``: its score, asked for only where many blocks are intra.

    Both must be high: encoders use intra blocks also where a picture is merely coarse, and residuals are also high
    where light changes.
    """
    return 1 - float(motion.coded.mean()) >= INTRA_SHARE and residual() >= RESIDUAL


def is_new_scene(luma: Plane, before: Plane) -> bool:
    """Does an I-frame begin a scene? uint8 ``[H, W]`` of it and of the frame before."""
    if luma.shape != before.shape:
        return True
    if luma.shape[0] >= _LARGE:
        luma, before = np.ascontiguousarray(luma[::2, ::2]), np.ascontiguousarray(before[::2, ::2])
    motion = estimate_motion(luma, before, 0)
    return is_cut(motion, lambda: measure_residual(luma, (before,), motion, 255).score)
