"""Score maps as fine as is worth carrying, whatever the network's output stride.

What is carried is compared cell by cell, so its cost grows with the cells. Many networks end with an upsampling to full
size, others leave that to the user; carried is at a stride of 2 to 4 pixels, of 4 in large pictures. Measured with
``benchmarks/strides.py``: a stride of 2 loses nothing, 4 a point or two of which ``edges`` bring back most; from 8 on
two or three are won by upsampling first.
"""

import torch.nn.functional as F
from torch import Tensor

COARSEST = 4  # pixels along a side of a cell
LARGE = 2**20  # pixels, above 720p: beyond, the finest is the coarsest


def resampled(scores: Tensor, size: tuple[int, int]) -> Tensor:
    """Scores ``[N, C, h, w]`` of pictures of ``size`` (rows, columns): averaged if too fine, bicubic if too coarse.

    Rows and columns are joined or divided by whole numbers each; where nothing is to do, it is the same tensor.
    """
    cells = tuple(scores.shape[-2:])
    finest = 2 if size[0] * size[1] <= LARGE else COARSEST
    joined = [max(finest * n // pixels, 1) for n, pixels in zip(cells, size, strict=True)]
    if joined != [1, 1]:
        scores = F.avg_pool2d(scores, joined, ceil_mode=True, count_include_pad=False)
    divided = [n * max(pixels // (COARSEST * n), 1) for n, pixels in zip(scores.shape[-2:], size, strict=True)]
    if divided == list(scores.shape[-2:]):
        return scores
    return F.interpolate(scores, divided, mode="bicubic", align_corners=False)
