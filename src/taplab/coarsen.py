"""Score maps as fine as is worth carrying: many networks end with an upsampling to full size.

What is carried is compared cell by cell, so its cost grows with the cells. Every second pixel loses nothing (on fast
drives, with a network that sees finer than that, it even gains a point); every fourth one or two points, half of which
comes back with ``edges``. Large pictures have to do with that.
"""

import torch.nn.functional as F
from torch import Tensor

MOST_CELLS = 250_000  # that are carried every second pixel, so up to 720p; above, it is every fourth


def coarsened(scores: Tensor, size: tuple[int, int]) -> Tensor:
    """Scores ``[N, C, h, w]`` of pictures of ``size`` (rows, columns), averaged where they are too fine.

    A map that is as coarse already comes back as it is. Rows and columns shrink each by a whole number.
    """
    pixels = 2 if size[0] * size[1] <= 4 * MOST_CELLS else 4  # along a side of a cell
    joined = [max(pixels * cells // side, 1) for cells, side in zip(scores.shape[-2:], size, strict=True)]
    if joined == [1, 1]:
        return scores
    return F.avg_pool2d(scores, joined, ceil_mode=True, count_include_pad=False)
