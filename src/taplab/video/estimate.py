"""Motion of our own, where the stream has none: a block search at half resolution, seeded by its neighbours."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from taplab.types import MOTION_BLOCK, Motion, MotionField, Plane

_BLOCK = 8  # pixels at half resolution: a macroblock
_MOST_STEPS = 24  # of the descent
_NOISE = 1  # grey level: a flat block is explained by another that differs no more


def estimate_motion(luma: Plane, reference_luma: Plane, reference: int, seed: MotionField | None = None) -> Motion:
    """The motion of a picture, uint8 ``[H, W]``, from a reference of the same size.

    reference: its coded index. seed: a field of about this motion, such as that of the frame before. Vectors are
    whole pixels at half resolution, so even numbers of pixels. Blocks whose best match differs more from them than
    their own mean does are not ``coded``: an encoder would make them intra.
    """
    small, small_reference = _halved(luma), _halved(reference_luma)
    rows, cols = -(-luma.shape[0] // MOTION_BLOCK), -(-luma.shape[1] // MOTION_BLOCK)
    shape = (-(-rows // 2), -(-cols // 2))  # of pictures of 16 k + 1 pixels the last block holds none of the half size
    start = np.zeros((*shape, 2), np.int32)
    if seed is not None:
        start[:] = np.rint(seed.vectors[::2, ::2][: shape[0], : shape[1]] / 2)
    found = np.zeros((*shape, 2), np.int32)
    explained = np.zeros(shape, np.bool_)
    _search(small, small_reference, start, found, explained)
    vectors = np.repeat(np.repeat(2 * found.astype(np.float32), 2, 0), 2, 1)[:rows, :cols]
    field = MotionField(reference, np.ascontiguousarray(vectors), np.ones((rows, cols), np.float32))
    coded = np.repeat(np.repeat(explained, 2, 0), 2, 1)[:rows, :cols]
    return Motion((field,), np.ascontiguousarray(coded), "estimated")


def _halved(luma: Plane) -> Plane:
    """Mean of 2x2 pixels."""
    height, width = luma.shape[0] // 2 * 2, luma.shape[1] // 2 * 2
    quads = luma[:height, :width].astype(np.uint16)
    half: Plane = ((quads[::2, ::2] + quads[1::2, ::2] + quads[::2, 1::2] + quads[1::2, 1::2] + 2) >> 2).astype(
        np.uint8
    )
    return half


@njit(cache=True, nogil=True)
def _search(
    luma: Plane,
    reference: Plane,
    start: NDArray[np.int32],
    found: NDArray[np.int32],
    explained: NDArray[np.bool_],
) -> None:  # pragma: no cover - compiled
    """Best of zero, the seed and the neighbours found already; then downhill in diamonds of shrinking size."""
    rows, cols = found.shape[:2]
    for i in range(rows):
        for j in range(cols):
            best_x, best_y = 0, 0
            least = _sad(luma, reference, i, j, 0, 0)
            for k in range(4):
                if k == 0:
                    x, y = start[i, j, 0], start[i, j, 1]
                elif k == 1 and j > 0:
                    x, y = found[i, j - 1, 0], found[i, j - 1, 1]
                elif k == 2 and i > 0:
                    x, y = found[i - 1, j, 0], found[i - 1, j, 1]
                elif k == 3 and i > 0 and j + 1 < cols:
                    x, y = found[i - 1, j + 1, 0], found[i - 1, j + 1, 1]
                else:
                    continue
                sad = _sad(luma, reference, i, j, x, y)
                if sad < least:
                    least, best_x, best_y = sad, x, y
            step = 4
            for _ in range(_MOST_STEPS):
                cx, cy = best_x, best_y
                for k in range(4):
                    x = cx + (step if k == 0 else -step if k == 1 else 0)
                    y = cy + (step if k == 2 else -step if k == 3 else 0)
                    sad = _sad(luma, reference, i, j, x, y)
                    if sad < least:
                        least, best_x, best_y = sad, x, y
                if best_x == cx and best_y == cy:
                    if step == 1:
                        break
                    step //= 2
            found[i, j, 0], found[i, j, 1] = best_x, best_y
            explained[i, j] = least <= _activity(luma, i, j)


@njit(cache=True, nogil=True)
def _sad(luma: Plane, reference: Plane, i: int, j: int, dx: int, dy: int) -> int:  # pragma: no cover - compiled
    """Sum of absolute differences, plus a little for the length: flat blocks should not wander."""
    height, width = luma.shape
    top, left = i * _BLOCK, j * _BLOCK
    total = np.int32(2 * (abs(dx) + abs(dy)))
    if top + _BLOCK <= height and left + _BLOCK <= width:
        y0, x0 = top + dy, left + dx
        if y0 >= 0 and x0 >= 0 and y0 + _BLOCK <= height and x0 + _BLOCK <= width:
            for y in range(_BLOCK):
                a, b = luma[top + y, left : left + _BLOCK], reference[y0 + y, x0 : x0 + _BLOCK]
                for x in range(_BLOCK):
                    total += np.int32(abs(np.int16(a[x]) - np.int16(b[x])))
            return int(total)
    for y in range(top, min(top + _BLOCK, height)):
        for x in range(left, min(left + _BLOCK, width)):
            v, u = min(max(y + dy, 0), height - 1), min(max(x + dx, 0), width - 1)
            total += abs(np.int32(luma[y, x]) - np.int32(reference[v, u]))
    return int(total)


@njit(cache=True, nogil=True)
def _activity(luma: Plane, i: int, j: int) -> int:  # pragma: no cover - compiled
    """Sum of absolute differences from the block's own mean, and what noise may add to a match."""
    block = luma[i * _BLOCK : (i + 1) * _BLOCK, j * _BLOCK : (j + 1) * _BLOCK]
    if block.size == 0:
        return 0
    total = np.int32(0)
    for y in range(block.shape[0]):
        for x in range(block.shape[1]):
            total += block[y, x]
    mean = total // block.size
    spread = np.int32(_NOISE * block.size)
    for y in range(block.shape[0]):
        for x in range(block.shape[1]):
            spread += abs(np.int32(block[y, x]) - mean)
    return int(spread)
