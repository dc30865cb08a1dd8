"""Where do a cell's scores come from? Displacements to the key frame, corrected by comparing the pictures.

Codec motion is added up over many frames, in blocks; it drifts, and it says nothing of what was covered or changed. So
the picture of a frame is compared with that of its key frame, both at the size of the score map: one luma and two
chroma values a cell (``cells``). Where the displacements lead to, ``gathering`` weighs and mixes.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from taplab.modules.cells import CellPicture, difference, paired
from taplab.modules.ffw import Displacement
from taplab.modules.simd import load4

MOVE_COST = 1.0  # grey levels by which another displacement must match better than the codec's own
ENOUGH = 3.0  # grey levels, summed over Y, U and V: a displacement that matches so well is left alone


def refine(
    now: CellPicture,
    key: CellPicture,
    displacement: Displacement,
    active: NDArray[np.bool_],
    enough: float = ENOUGH,
) -> Displacement:
    """A better displacement for each ``active`` cell: its own, that of a cell 1, 2, 4 or 8 away, or half a cell beside.

    In reading order, so that what one cell found is offered to the next (as in PatchMatch). enough: cells whose own
    matches within so many grey levels keep it.
    """
    out = displacement.copy()
    # Within MOVE_COST no other can be better.
    _refine(now, paired(key), active, np.float32(max(enough, MOVE_COST)), out)
    return out


@njit(cache=True, nogil=True, fastmath=True)
def _refine(
    now: CellPicture, key: CellPicture, active: NDArray[np.bool_], enough: np.float32, out: Displacement
) -> None:  # pragma: no cover - compiled
    rows, cols = active.shape
    height, width = key.shape[:2]
    here, there = now.reshape(-1), key.reshape(-1)
    for i in range(rows):
        for j in range(cols):
            if not active[i, j]:
                continue
            own, fi, fj = load4(here, (i * cols + j) * 4), np.float32(i), np.float32(j)
            dx, dy = out[i, j, 0], out[i, j, 1]
            least = difference(own, there, height, width, fi + dy, fj + dx)
            if least <= enough:
                continue
            for step in (1, 2, 4, 8):
                for turn in range(4):
                    y = i + (step if turn == 0 else -step if turn == 1 else 0)
                    x = j + (step if turn == 2 else -step if turn == 3 else 0)
                    if y < 0 or x < 0 or y >= rows or x >= cols:
                        continue
                    u, v = out[y, x, 0], out[y, x, 1]
                    if u == dx and v == dy:
                        continue
                    found = difference(own, there, height, width, fi + v, fj + u) + np.float32(MOVE_COST)
                    if found < least:
                        least, dx, dy = found, u, v
            cx, cy = dx, dy
            for turn in range(4):
                u = cx + np.float32(0.5 if turn == 0 else -0.5 if turn == 1 else 0)
                v = cy + np.float32(0.5 if turn == 2 else -0.5 if turn == 3 else 0)
                found = difference(own, there, height, width, fi + v, fj + u) + np.float32(MOVE_COST)
                if found < least:
                    least, dx, dy = found, u, v
            out[i, j, 0], out[i, j, 1] = dx, dy
