"""How badly does a frame match its key frames? Pictures and motion tell, before any network runs.

Where the colours of a frame cannot be found in its key frames, along the motion and around it, their scores will be
wrong: what entered the picture, what was covered, where motion went astray. The mean difference is the measure::

    m_t = mean_p min_k min(|I_t[p] - I_k[p + d_k(p)]|, MOST)

over the cells p of a coarse grid (see ``grid``) and the key frames k, summed over Y, U and V, after the displacements
d_k were corrected as in ``matching``.
"""

from collections.abc import Sequence

import numpy as np

from taplab.scoremap import matching
from taplab.scoremap.cells import CellPicture, Displacement, differences

MOST = 30.0  # grey levels, summed over Y, U and V: more than wrong a cell cannot be
_CELL = 8  # pixels of a cell of the grid, in small frames
_MOST_ROWS = 64  # of the grid: in large frames cells are larger, so that they cost no more


def grid(size: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of the grid on which a frame of ``size`` (rows, columns) pixels is compared."""
    cell = max(_CELL, size[0] / _MOST_ROWS)
    return max(round(size[0] / cell), 1), max(round(size[1] / cell), 1)


def mismatch(now: CellPicture, sides: Sequence[tuple[CellPicture, Displacement]]) -> float:
    """``m_t`` in grey levels, 0 to MOST, of a picture with those of its key frames and the displacements to them."""
    everywhere = np.ones(now.shape[:2], np.bool_)
    least = np.full(now.shape[:2], np.float32(MOST))
    for key, displacement in sides:
        way = matching.refine(now, key, displacement, everywhere, 0, matching.FAR)
        np.minimum(least, differences(now, key, way), out=least)
    return float(least.mean())
