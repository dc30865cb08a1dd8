"""Where do a cell's scores come from? Displacements to the key frame, corrected by comparing the pictures.

Codec motion is added up over many frames, in blocks; it drifts, and it says nothing of what was covered or changed. So
the picture of a frame is compared with that of its key frame, both at the size of the score map: one luma and two
chroma values a cell (``cells``). Where the displacements lead to, ``gathering`` weighs and mixes.
"""

import numpy as np
from numpy.typing import NDArray

from taplab.compiled import njit
from taplab.scoremap.cells import CellPicture, Displacement, difference, paired
from taplab.scoremap.simd import Vector, apart, first4, last4, load4, load8, mixed, store

MOVE_COST = 1.0  # grey levels by which another displacement must match better than the codec's own
ENOUGH = 3.0  # grey levels, summed over Y, U and V: a displacement that matches so well is left alone
NEAR = (1, 4)  # cells away, in four directions: neighbours whose displacements are tried
FAR = (1, 2, 4, 8)  # where displacements were not corrected before


def refine(
    now: CellPicture,
    key: CellPicture,
    displacement: Displacement,
    active: NDArray[np.bool_],
    enough: float = ENOUGH,
    away: tuple[int, ...] = NEAR,
) -> Displacement:
    """A better displacement for each ``active`` cell: its own, that of a cell so far away, or half a cell beside.

    In reading order, so that what one cell found is offered to the next (as in PatchMatch). enough: cells whose own
    matches within so many grey levels keep it.
    """
    out = displacement.copy()
    # Within MOVE_COST no other can be better.
    _refine(now, paired(key), active, np.float32(max(enough, MOVE_COST)), away, out)
    return out


@njit(cache=True, nogil=True, fastmath=True)
def _refine(
    now: CellPicture,
    key: CellPicture,
    active: NDArray[np.bool_],
    enough: np.float32,
    away: tuple[int, ...],
    out: Displacement,
) -> None:  # pragma: no cover - compiled
    rows, cols = active.shape
    here, there, ways = now.reshape(-1), key.reshape(-1), out.reshape(-1)
    count = 4 * len(away)
    steps = np.empty(count, np.int64)  # to the neighbours; over the border 0, to a cell that offers nothing new
    offers = np.empty(count, np.float32), np.empty(count, np.float32)
    us, vs = offers
    places = np.empty(count, np.float32), np.empty(count, np.float32), np.empty(count, np.int32)
    parts, found = np.empty(4 * count, np.float32), np.empty(count, np.float32)
    for i in range(rows):
        for k in range(len(away)):
            steps[4 * k] = away[k] * cols if i + away[k] < rows else 0
            steps[4 * k + 1] = -away[k] * cols if i >= away[k] else 0
        for j in range(cols):
            if not active[i, j]:
                continue
            cell = i * cols + j
            own, fi, fj = load4(here, cell * 4), np.float32(i), np.float32(j)
            dx, dy = ways[2 * cell], ways[2 * cell + 1]
            least = difference(own, there, key.shape[0], key.shape[1], fi + dy, fj + dx)
            if least <= enough:
                continue
            for k in range(len(away)):
                steps[4 * k + 2] = away[k] if j + away[k] < cols else 0
                steps[4 * k + 3] = -away[k] if j >= away[k] else 0
            for k in range(count):
                us[k], vs[k] = ways[2 * (cell + steps[k])], ways[2 * (cell + steps[k]) + 1]
            _measure(own, there, key.shape, fi, fj, offers, count, places, parts, found)
            least, dx, dy = _better(found, offers, count, least, dx, dy)
            for k in range(4):
                us[k] = dx + np.float32(0.5 if k == 2 else -0.5 if k == 3 else 0)
                vs[k] = dy + np.float32(0.5 if k == 0 else -0.5 if k == 1 else 0)
            _measure(own, there, key.shape, fi, fj, offers, 4, places, parts, found)
            least, dx, dy = _better(found, offers, 4, least, dx, dy)
            ways[2 * cell], ways[2 * cell + 1] = dx, dy


@njit(cache=True, nogil=True, fastmath=True, inline="always")
def _measure(
    own: Vector,
    key: NDArray[np.float32],
    shape: tuple[int, int, int],
    i: np.float32,
    j: np.float32,
    offers: tuple[NDArray[np.float32], NDArray[np.float32]],
    count: int,
    places: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int32]],
    parts: NDArray[np.float32],
    found: NDArray[np.float32],
) -> None:  # pragma: no cover - compiled
    """``cells.difference`` where each of some displacements leads; the loops of numbers become vectors."""
    rows, cols = shape[:2]
    us, vs = offers
    fy, fx, at = places
    for k in range(count):
        y = min(max(i + vs[k], np.float32(0)), np.float32(rows - 1))
        x = min(max(j + us[k], np.float32(0)), np.float32(cols - 1))
        top, left = min(np.int32(y), np.int32(rows - 2)), min(np.int32(x), np.int32(cols - 2))
        fy[k], fx[k] = y - np.float32(top), x - np.float32(left)
        at[k] = (top * np.int32(cols) + left) * np.int32(4)
    for k in range(count):
        both = mixed(load8(key, at[k]), load8(key, at[k] + cols * 4), fy[k])  # two cells side by side
        store(parts, 4 * k, apart(own, mixed(first4(both), last4(both), fx[k])))
    for k in range(count):
        found[k] = parts[4 * k] + parts[4 * k + 1] + parts[4 * k + 2]


@njit(cache=True, nogil=True, fastmath=True, inline="always")
def _better(
    found: NDArray[np.float32],
    offers: tuple[NDArray[np.float32], NDArray[np.float32]],
    count: int,
    least: np.float32,
    dx: np.float32,
    dy: np.float32,
) -> tuple[np.float32, np.float32, np.float32]:  # pragma: no cover - compiled
    """The best offer, the first of several, if it is better by more than it costs; else what there was."""
    us, vs = offers
    best = found[0]
    for k in range(1, count):
        best = min(best, found[k])
    if best + np.float32(MOVE_COST) >= least:
        return least, dx, dy
    k = 0
    while found[k] > best:
        k += 1
    return best + np.float32(MOVE_COST), us[k], vs[k]
