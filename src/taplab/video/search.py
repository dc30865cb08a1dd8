"""Block search: where in another picture does each block look the same?

Kernels on one level of a pyramid (``video/pyramid.py``); vectors (dx, dy) are whole pixels of that level.
"""

import numpy as np
from numpy.typing import NDArray

from taplab.compiled import njit
from taplab.types import Plane
from taplab.video.pyramid import BORDER
from taplab.video.sad import SIDE, block_sad

Vectors = NDArray[np.int32]  # [rows, cols, 2]

LAMBDA = 8  # what a pixel that a vector differs from its neighbours costs, in the unit of the SAD
NOISE = SIDE**2  # SAD, one grey level a pixel: a block that matches so well is not searched any further
_MOST_STEPS = 16  # of the descent
_CANDIDATES = 8


@njit(cache=True, nogil=True)
def search(
    luma: Plane, reference: Plane, parent: Vectors, seed: Vectors, step: int, found: Vectors, sads: NDArray[np.int32]
) -> None:  # pragma: no cover - compiled
    """The best of the candidates, then downhill in diamonds; in reading order, so that neighbours help each other.

    Candidates: zero, the neighbours found already, the level above (``parent``) and a field of about this motion
    (``seed``); these may be empty. step: of the first diamond, pixels. The cost is SAD + LAMBDA |v - median of the
    neighbours|, as encoders have it; ``sads`` takes the SAD alone.
    """
    rows, cols = found.shape[:2]
    candidates = np.empty((_CANDIDATES, 2), np.int64)
    for i in range(rows):
        for j in range(cols):
            top, left = BORDER + SIDE * i, BORDER + SIDE * j
            count, px, py = _gather(i, j, found, parent, seed, candidates)
            bx, by, least = 0, 0, 1 << 30
            for k in range(count):
                x, y = _within(luma, top, left, candidates[k, 0], candidates[k, 1])
                if k > 0 and x == bx and y == by:
                    continue
                cost = block_sad(luma, reference, top, left, top + y, left + x) + LAMBDA * (abs(x - px) + abs(y - py))
                if cost < least:
                    least, bx, by = cost, x, y
            size = step if least > NOISE else 0
            for _ in range(_MOST_STEPS):
                if size == 0:
                    break
                cx, cy = bx, by
                for k in range(4):
                    dx, dy = _turn(k, size)
                    x, y = _within(luma, top, left, cx + dx, cy + dy)
                    sad = block_sad(luma, reference, top, left, top + y, left + x)
                    cost = sad + LAMBDA * (abs(x - px) + abs(y - py))
                    if cost < least:
                        least, bx, by = cost, x, y
                if bx == cx and by == cy:
                    size //= 2
            found[i, j, 0], found[i, j, 1] = bx, by
            sads[i, j] = least - LAMBDA * (abs(bx - px) + abs(by - py))


@njit(cache=True, nogil=True, inline="always")
def _gather(
    i: int, j: int, found: Vectors, parent: Vectors, seed: Vectors, candidates: NDArray[np.int64]
) -> tuple[int, int, int]:  # pragma: no cover - compiled
    """Fills in the candidates; their number, and the vector that is expected here."""
    candidates[0] = 0
    count, px, py = 1, 0, 0
    if parent.shape[0] > 0:
        a, b = i // 2, j // 2
        beside_a, beside_b = _beside(i, parent.shape[0]), _beside(j, parent.shape[1])
        for p, q in ((a, b), (beside_a, b), (a, beside_b)):
            candidates[count, 0], candidates[count, 1] = 2 * parent[p, q, 0], 2 * parent[p, q, 1]
            count += 1
        px, py = candidates[1, 0], candidates[1, 1]
    if seed.shape[0] > 0:
        candidates[count, 0], candidates[count, 1] = seed[i, j, 0], seed[i, j, 1]
        count += 1
    first = count
    if j > 0:
        candidates[count, 0], candidates[count, 1] = found[i, j - 1, 0], found[i, j - 1, 1]
        count += 1
    if i > 0:
        right = min(j + 1, found.shape[1] - 1)
        candidates[count, 0], candidates[count, 1] = found[i - 1, j, 0], found[i - 1, j, 1]
        candidates[count + 1, 0], candidates[count + 1, 1] = found[i - 1, right, 0], found[i - 1, right, 1]
        count += 2
    if count == first + 3:
        px = _median(candidates[first, 0], candidates[first + 1, 0], candidates[first + 2, 0])
        py = _median(candidates[first, 1], candidates[first + 1, 1], candidates[first + 2, 1])
    elif count > first:
        px, py = candidates[first, 0], candidates[first, 1]
    return count, px, py


@njit(cache=True, nogil=True)
def refine(
    luma: Plane, reference: Plane, found: Vectors, out: Vectors, sads: NDArray[np.int32]
) -> None:  # pragma: no cover - compiled
    """Vectors for blocks of half the side, int32 ``[rows, cols, 2]``.

    Each takes the vector of its block or of one beside it, whichever matches better in the 8x8 pixels around it; a
    change must gain a quarter of NOISE, and what matches to NOISE stays. ``sads`` takes the SAD of these 8x8 pixels.
    """
    for a in range(out.shape[0]):
        for b in range(out.shape[1]):
            i, j = a // 2, b // 2
            beside_i, beside_j = _beside(a, found.shape[0]), _beside(b, found.shape[1])
            top, left = BORDER + SIDE // 2 * a - SIDE // 4, BORDER + SIDE // 2 * b - SIDE // 4
            bx, by = _within(luma, top, left, found[i, j, 0], found[i, j, 1])
            least = block_sad(luma, reference, top, left, top + by, left + bx)
            if least > NOISE:
                gain = NOISE // 4
                for p, q in ((i, beside_j), (beside_i, j), (beside_i, beside_j)):
                    if found[p, q, 0] == found[i, j, 0] and found[p, q, 1] == found[i, j, 1]:
                        continue
                    x, y = _within(luma, top, left, found[p, q, 0], found[p, q, 1])
                    sad = block_sad(luma, reference, top, left, top + y, left + x)
                    if sad + gain < least:
                        least, bx, by, gain = sad, x, y, 0
            out[a, b, 0], out[a, b, 1], sads[a, b] = bx, by, least


@njit(cache=True, nogil=True)
def in_quarters(
    luma: Plane,
    reference: Plane,
    found: Vectors,
    sads: NDArray[np.int32],
    other_sads: NDArray[np.int32],
    out: NDArray[np.float32],
) -> None:  # pragma: no cover - compiled
    """The vectors of ``refine`` with fractions, in quarters of a pixel of the picture, float32 ``[rows, cols, 2]``.

    Where another reference matches better (``other_sads``, may be empty) and where this one matches to NOISE the
    fraction stays 0.
    """
    height, width = luma.shape
    for a in range(out.shape[0]):
        for b in range(out.shape[1]):
            sad = sads[a, b]
            top, left = BORDER + SIDE // 2 * a - SIDE // 4, BORDER + SIDE // 2 * b - SIDE // 4
            x, y = left + found[a, b, 0], top + found[a, b, 1]
            fx, fy = np.float32(0), np.float32(0)
            wanted = sad > NOISE and (other_sads.shape[0] == 0 or sad <= other_sads[a, b])
            if wanted and 0 < y < height - SIDE and 0 < x < width - SIDE:
                before = block_sad(luma, reference, top, left, y, x - 1)
                after = block_sad(luma, reference, top, left, y, x + 1)
                fx = _fraction(before, sad, after)
                before = block_sad(luma, reference, top, left, y - 1, x)
                after = block_sad(luma, reference, top, left, y + 1, x)
                fy = _fraction(before, sad, after)
            out[a, b, 0] = np.rint(np.float32(8) * (np.float32(found[a, b, 0]) + fx)) / np.float32(4)
            out[a, b, 1] = np.rint(np.float32(8) * (np.float32(found[a, b, 1]) + fy)) / np.float32(4)


@njit(cache=True, nogil=True)
def explained(luma: Plane, sads: NDArray[np.int32], out: NDArray[np.bool_]) -> None:  # pragma: no cover - compiled
    """Blocks that differ from their match no more than from their own mean: an encoder would make others intra."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = sads[i, j] <= NOISE
            if out[i, j]:
                continue
            top, left = BORDER + SIDE * i, BORDER + SIDE * j
            total = np.int32(0)
            for y in range(top, top + SIDE):
                for x in range(left, left + SIDE):
                    total += np.int32(luma[y, x])
            mean = np.int16(total // SIDE**2)
            spread = np.int32(0)
            for y in range(top, top + SIDE):
                for x in range(left, left + SIDE):
                    spread += np.int32(abs(np.int16(luma[y, x]) - mean))
            out[i, j] = sads[i, j] <= spread + NOISE


@njit(cache=True, nogil=True, inline="always")
def _within(luma: Plane, top: int, left: int, x: int, y: int) -> tuple[int, int]:  # pragma: no cover - compiled
    """The vector, no longer than leads to the end of the border."""
    height, width = luma.shape
    return min(max(x, -left), width - SIDE - left), min(max(y, -top), height - SIDE - top)


@njit(cache=True, nogil=True, inline="always")
def _turn(k: int, size: int) -> tuple[int, int]:  # pragma: no cover - compiled
    """The four corners of a diamond."""
    return (size if k == 0 else -size if k == 1 else 0), (size if k == 2 else -size if k == 3 else 0)


@njit(cache=True, nogil=True, inline="always")
def _beside(half: int, count: int) -> int:  # pragma: no cover - compiled
    """Of ``count`` blocks the one beside half a block that is not its own, or its own at the border."""
    return min(max(half // 2 + (1 if half & 1 else -1), 0), count - 1)


@njit(cache=True, nogil=True, inline="always")
def _median(a: int, b: int, c: int) -> int:  # pragma: no cover - compiled
    return max(min(a, b), min(max(a, b), c))


@njit(cache=True, nogil=True, inline="always")
def _fraction(before: int, least: int, after: int) -> np.float32:  # pragma: no cover - compiled
    """Where between -1/2 and 1/2 two lines of equal slope meet: the SAD grows in proportion to the distance."""
    slope = max(before, after) - least
    if slope <= 0:
        return np.float32(0)
    share = np.float32(before - after) / np.float32(2 * slope)
    return min(max(share, np.float32(-0.5)), np.float32(0.5))
