"""Residual: motion compensation, sums and counts in one pass over the luma."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from taplab.types import MOTION_BLOCK, RESIDUAL_BLOCK, Motion, Plane, Residual


def measure_residual(
    luma: Plane, references: tuple[Plane, ...], motion: Motion, threshold: int, rounding: int = 0
) -> Residual:
    """``Res = frame - motion-compensated reference``, as sums and counts of 16x16 blocks.

    luma: uint8 ``[H, W]``. references: the luma of each of the motion's fields, of the same size.
    threshold: ``THR_RGC``, grey levels. rounding: MPEG-4's ``vop_rounding_type`` (0 rounds halves up, 1 down).
    Bilinear interpolation at quarter-pel: exact for MPEG-1/2/4 and H.263 half-pel streams.
    """
    height, width = luma.shape
    shape = (-(-height // RESIDUAL_BLOCK), -(-width // RESIDUAL_BLOCK))
    sums, counts = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    first, last = motion.fields[0], motion.fields[-1]
    _measure(
        luma,
        (references[0], references[-1]),
        (_quarter_pels(first.vectors), _quarter_pels(last.vectors)),
        first.weight,
        threshold,
        rounding,
        sums,
        counts,
    )
    return Residual(sums, counts, height * width)


def _quarter_pels(vectors: NDArray[np.float32]) -> NDArray[np.int32]:
    return np.rint(vectors * 4).astype(np.int32)


@njit(cache=True, nogil=True)
def _measure(
    luma: Plane,
    references: tuple[Plane, Plane],
    vectors: tuple[NDArray[np.int32], NDArray[np.int32]],
    first_share: NDArray[np.float32],
    threshold: int,
    rounding: int,
    sums: NDArray[np.int32],
    counts: NDArray[np.int32],
) -> None:  # pragma: no cover - compiled
    height, width = luma.shape
    rows = np.empty((2, RESIDUAL_BLOCK), np.int16)  # scratch: one predicted row of each reference
    for i in range(sums.shape[0]):
        for j in range(sums.shape[1]):
            share = first_share[2 * i, 2 * j]
            k = 0 if share > 0 else 1
            top, left = i * RESIDUAL_BLOCK, j * RESIDUAL_BLOCK
            qx, qy = vectors[k][2 * i, 2 * j, 0], vectors[k][2 * i, 2 * j, 1]
            x0, y0 = left + (qx >> 2), top + (qy >> 2)
            uniform = _agree(vectors[0], first_share, i, j) and _agree(vectors[1], first_share, i, j)
            inside = x0 >= 0 and y0 >= 0 and x0 + RESIDUAL_BLOCK < width and y0 + RESIDUAL_BLOCK < height
            whole = top + RESIDUAL_BLOCK <= height and left + RESIDUAL_BLOCK <= width
            if uniform and inside and whole and (share >= 1 or share <= 0):
                sums[i, j], counts[i, j] = _whole_block(luma, references[k], top, left, qx, qy, threshold, rounding)
                continue
            for part in range(4):
                a, b = 2 * i + part // 2, 2 * j + part % 2
                if a < first_share.shape[0] and b < first_share.shape[1]:
                    total, above = _small_block(luma, references, vectors, first_share, a, b, threshold, rounding, rows)
                    sums[i, j] += total
                    counts[i, j] += above


@njit(cache=True, nogil=True)
def _whole_block(
    luma: Plane, reference: Plane, top: int, left: int, qx: int, qy: int, threshold: int, rounding: int
) -> tuple[int, int]:  # pragma: no cover - compiled
    """Sum and count of a 16x16 block whose prediction lies inside one reference: the case that decides the speed.

    Fixed length, slices of rows and 16-bit arithmetic let the compiler use full vector registers.
    """
    (w00, w01, w10, w11), bias, limit = _weights(qx, qy), _bias(qx, qy, rounding), np.int16(threshold)
    x0, y0 = left + (qx >> 2), top + (qy >> 2)
    total, above = np.int32(0), np.int32(0)
    for y in range(RESIDUAL_BLOCK):
        row = luma[top + y, left : left + RESIDUAL_BLOCK]
        a, b = reference[y0 + y, x0 : x0 + RESIDUAL_BLOCK + 1], reference[y0 + y + 1, x0 : x0 + RESIDUAL_BLOCK + 1]
        row_total, row_above = np.int32(0), np.int32(0)
        for x in range(RESIDUAL_BLOCK):
            upper = np.int16(np.int16(w00 * np.int16(a[x])) + np.int16(w01 * np.int16(a[x + 1])))
            lower = np.int16(np.int16(w10 * np.int16(b[x])) + np.int16(w11 * np.int16(b[x + 1])))
            predicted = np.int16(np.int16(np.int16(upper + lower) + bias) >> np.int16(4))
            difference = abs(np.int16(np.int16(row[x]) - predicted))
            row_total += np.int32(difference)
            row_above += np.int32(difference > limit)
        total += row_total
        above += row_above
    return int(total), int(above)


@njit(cache=True, nogil=True)
def _small_block(
    luma: Plane,
    references: tuple[Plane, Plane],
    vectors: tuple[NDArray[np.int32], NDArray[np.int32]],
    first_share: NDArray[np.float32],
    a: int,
    b: int,
    threshold: int,
    rounding: int,
    rows: NDArray[np.int16],
) -> tuple[int, int]:  # pragma: no cover - compiled
    """Sum and count of 8x8 block (a, b): any place, one reference or the rounded mean of two."""
    height, width = luma.shape
    top, left = a * MOTION_BLOCK, b * MOTION_BLOCK
    n = min(MOTION_BLOCK, width - left)
    share = first_share[a, b]
    total, above = np.int32(0), np.int32(0)
    for y in range(top, min(top + MOTION_BLOCK, height)):
        for k in range(2):
            if (k == 0 and share > 0) or (k == 1 and share < 1):
                qx, qy = vectors[k][a, b, 0], vectors[k][a, b, 1]
                _predict(references[k], y, left, n, qx, qy, rounding, rows[k])
        for x in range(n):
            predicted = rows[0, x] if share >= 1 else rows[1, x]
            if 0 < share < 1:
                predicted = (rows[0, x] + rows[1, x] + 1) >> 1
            difference = abs(np.int32(luma[y, left + x]) - np.int32(predicted))
            total += difference
            above += np.int32(difference > threshold)
    return int(total), int(above)


@njit(cache=True, nogil=True, inline="always")
def _agree(
    vectors: NDArray[np.int32], share: NDArray[np.float32], i: int, j: int
) -> bool:  # pragma: no cover - compiled
    """Do the four 8x8 blocks of macroblock (i, j) move alike?"""
    a, b = 2 * i, 2 * j
    if a + 1 >= share.shape[0] or b + 1 >= share.shape[1]:
        return False
    for y in range(a, a + 2):
        for x in range(b, b + 2):
            if vectors[y, x, 0] != vectors[a, b, 0] or vectors[y, x, 1] != vectors[a, b, 1]:
                return False
            if share[y, x] != share[a, b]:
                return False
    return True


@njit(cache=True, nogil=True)
def _predict(
    reference: Plane, y: int, left: int, n: int, qx: int, qy: int, rounding: int, out: NDArray[np.int16]
) -> None:  # pragma: no cover - compiled
    """``n`` predicted pixels of row ``y`` from ``left`` on; the reference is continued beyond its border."""
    height, width = reference.shape
    (w00, w01, w10, w11), bias = _weights(qx, qy), _bias(qx, qy, rounding)
    x0, y0 = left + (qx >> 2), y + (qy >> 2)
    upper = reference[min(max(y0, 0), height - 1)]
    lower = reference[min(max(y0 + 1, 0), height - 1)]
    for x in range(n):
        p, q = min(max(x0 + x, 0), width - 1), min(max(x0 + x + 1, 0), width - 1)
        value = w00 * upper[p] + w01 * upper[q] + w10 * lower[p] + w11 * lower[q]
        out[x] = (value + bias) >> 4


@njit(cache=True, nogil=True, inline="always")
def _weights(qx: int, qy: int) -> tuple[np.int16, np.int16, np.int16, np.int16]:  # pragma: no cover - compiled
    """Bilinear weights of the four neighbours, in sixteenths."""
    fx, fy = qx & 3, qy & 3
    return np.int16((4 - fx) * (4 - fy)), np.int16(fx * (4 - fy)), np.int16((4 - fx) * fy), np.int16(fx * fy)


@njit(cache=True, nogil=True, inline="always")
def _bias(qx: int, qy: int, rounding: int) -> np.int16:  # pragma: no cover - compiled
    """What is added before dividing by 16: MPEG rounds 1/2 and 2/4 up, or with its rounding flag down."""
    if not rounding:
        return np.int16(8)
    return np.int16(4) if (qx & 3) and (qy & 3) else np.int16(0)
