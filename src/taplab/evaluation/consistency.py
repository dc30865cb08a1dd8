"""Temporal consistency without truth: do the labels stay the same along the motion?"""

import numpy as np

from taplab.types import MOTION_BLOCK, RESIDUAL_BLOCK, Result
from taplab.video.estimate import estimate_motion
from taplab.video.planes import luma_plane
from taplab.video.residual import measure_residual

EXPLAINED = 6.0  # grey levels a pixel: blocks with more residual did not come from where the vector says


def consistency_along_motion(before: Result, now: Result) -> float:
    """Share of the pixels that keep the label of where they come from, in blocks that the motion explains.

    Motion is estimated from both pictures, so it is the same for every way of working. 1.0 is no flicker.
    """
    luma, earlier = luma_plane(now.frame.picture), luma_plane(before.frame.picture)
    motion = estimate_motion(luma, earlier, 0)
    residual = measure_residual(luma, (earlier,), motion, 30)
    height, width = luma.shape
    y, x = np.mgrid[:height, :width]
    vectors = motion.fields[0].vectors[y // MOTION_BLOCK, x // MOTION_BLOCK]
    from_y, from_x = (y + np.rint(vectors[..., 1])).astype(int), (x + np.rint(vectors[..., 0])).astype(int)
    inside = (from_y >= 0) & (from_y < height) & (from_x >= 0) & (from_x < width)
    explained = residual.sums[y // RESIDUAL_BLOCK, x // RESIDUAL_BLOCK] < EXPLAINED * RESIDUAL_BLOCK**2
    counts = inside & explained
    same = before.labels[from_y[counts], from_x[counts]] == now.labels[counts]
    return float(same.mean()) if same.size else 1.0
