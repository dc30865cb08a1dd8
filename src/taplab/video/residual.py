"""Residual: motion compensation, sums and counts in one pass over the luma."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taplab.compiled import njit
from taplab.types import MOTION_BLOCK, REFERENCES_KEPT, RESIDUAL_BLOCK, Motion, MotionField, Plane, Residual


def measure_residual(
    luma: Plane, references: tuple[Plane, ...], motion: Motion, threshold: int, rounding: int = 0
) -> Residual:
    """``Res = frame - motion-compensated reference``, as sums and counts of 16x16 blocks.

    luma: uint8 ``[H, W]``. references: the luma of each of the motion's fields, of the same size. No block comes from
    more than two of them.
    threshold: ``THR_RGC``, grey levels. rounding: MPEG-4's ``vop_rounding_type`` (0 rounds halves up, 1 down).
    Bilinear interpolation at quarter-pel: exact for MPEG-1/2/4 and H.263 half-pel streams.
    """
    height, width = luma.shape
    shape = (-(-height // RESIDUAL_BLOCK), -(-width // RESIDUAL_BLOCK))
    sums, counts = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    vectors, share, which = _two_a_block(motion.fields)
    _measure(
        luma,
        (*references, *[references[-1]] * (REFERENCES_KEPT - len(references))),  # one type, compiled once
        (quarter_pels(vectors[0]), quarter_pels(vectors[1])),
        share,
        which,
        threshold,
        rounding,
        sums,
        counts,
    )
    return Residual(sums, counts, height * width)


def _two_a_block(
    fields: Sequence[MotionField],
) -> tuple[tuple[NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32], NDArray[np.uint8]]:
    """Of each block the vectors of the two fields that it may come from, the share of the first, and which they are.

    Their numbers are uint8 ``[2, rows, cols]``. Where one field is all, it is both.
    """
    if len(fields) <= 2:
        which = np.zeros((2, *fields[0].weight.shape), np.uint8)
        which[1] = len(fields) - 1
        return (fields[0].vectors, fields[-1].vectors), fields[0].weight, which
    weights = np.stack([field.weight for field in fields])
    rows, cols = np.indices(weights.shape[1:])
    first = weights.argmax(0)
    share = weights[first, rows, cols]
    weights[first, rows, cols] = -1
    last = np.where(share < 1, weights.argmax(0), first)
    vectors = np.stack([field.vectors for field in fields])
    return (vectors[first, rows, cols], vectors[last, rows, cols]), share, np.stack([first, last]).astype(np.uint8)


def quarter_pels(vectors: NDArray[np.float32]) -> NDArray[np.int32]:
    """Vectors in pixels as whole numbers of quarter pixels."""
    return np.rint(vectors * 4).astype(np.int32)


@njit(cache=True, nogil=True, inline="always")
def _bilinear(
    upper: Plane, lower: Plane, x: int, weights: tuple[np.int16, np.int16, np.int16, np.int16], bias: np.int16
) -> np.int16:  # pragma: no cover - compiled
    """One predicted pixel from two rows of the reference, in 16 bits all the way."""
    above = np.int16(np.int16(weights[0] * np.int16(upper[x])) + np.int16(weights[1] * np.int16(upper[x + 1])))
    below = np.int16(np.int16(weights[2] * np.int16(lower[x])) + np.int16(weights[3] * np.int16(lower[x + 1])))
    return np.int16(np.int16(np.int16(above + below) + bias) >> np.int16(4))


def _block_kernel(size: int) -> Any:
    """The kernel for blocks of ``size`` x ``size`` pixels that lie inside the frame, as do their predictions.

    This is where the time goes. A fixed size, slices of rows and 16-bit arithmetic let the compiler use full vector
    registers, which is why there is one kernel for each size.
    """

    @njit(cache=True, nogil=True)
    def kernel(
        luma: Plane,
        references: tuple[Plane, Plane],
        top: int,
        left: int,
        first: tuple[int, int],
        last: tuple[int, int],
        share: float,
        threshold: int,
        rounding: int,
    ) -> tuple[int, int]:  # pragma: no cover - compiled
        """Sum and count; predicted from the first reference (share 1), the last (0), or the mean of both."""
        k = 0 if share > 0 else 1
        reference, (qx, qy) = references[k], first if share > 0 else last
        weights, bias, limit = _weights(qx, qy), _bias(qx, qy, rounding), np.int16(threshold)
        x0, y0 = left + (qx >> 2), top + (qy >> 2)
        total, above = np.int32(0), np.int32(0)
        if share <= 0 or share >= 1:
            for y in range(size):
                row = luma[top + y, left : left + size]
                a, b = reference[y0 + y, x0 : x0 + size + 1], reference[y0 + y + 1, x0 : x0 + size + 1]
                row_total, row_above = np.int32(0), np.int32(0)
                for x in range(size):
                    predicted = _bilinear(a, b, x, weights, bias)
                    difference = abs(np.int16(np.int16(row[x]) - predicted))
                    row_total += np.int32(difference)
                    row_above += np.int32(difference > limit)
                total += row_total
                above += row_above
            return int(total), int(above)
        other, (px, py) = references[1], last
        other_weights, other_bias = _weights(px, py), _bias(px, py, rounding)
        x1, y1 = left + (px >> 2), top + (py >> 2)
        for y in range(size):
            row = luma[top + y, left : left + size]
            a, b = reference[y0 + y, x0 : x0 + size + 1], reference[y0 + y + 1, x0 : x0 + size + 1]
            c, d = other[y1 + y, x1 : x1 + size + 1], other[y1 + y + 1, x1 : x1 + size + 1]
            row_total, row_above = np.int32(0), np.int32(0)
            for x in range(size):
                one = _bilinear(a, b, x, weights, bias)
                two = _bilinear(c, d, x, other_weights, other_bias)
                predicted = np.int16(np.int16(np.int16(one + two) + np.int16(1)) >> np.int16(1))
                difference = abs(np.int16(np.int16(row[x]) - predicted))
                row_total += np.int32(difference)
                row_above += np.int32(difference > limit)
            total += row_total
            above += row_above
        return int(total), int(above)

    return kernel


_large_block, small_block = _block_kernel(RESIDUAL_BLOCK), _block_kernel(MOTION_BLOCK)


@njit(cache=True, nogil=True)
def _measure(
    luma: Plane,
    references: tuple[Plane, ...],
    vectors: tuple[NDArray[np.int32], NDArray[np.int32]],
    first_share: NDArray[np.float32],
    which: NDArray[np.uint8],
    threshold: int,
    rounding: int,
    sums: NDArray[np.int32],
    counts: NDArray[np.int32],
) -> None:  # pragma: no cover - compiled
    for i in range(sums.shape[0]):
        for j in range(sums.shape[1]):
            # One block of 16x16 where its four vectors agree (nearly always), else four of 8x8.
            whole = _agree(vectors[0], first_share, which[0], i, j) and _agree(vectors[1], first_share, which[1], i, j)
            size = RESIDUAL_BLOCK if whole else MOTION_BLOCK
            for part in range(1 if whole else 4):
                a, b = 2 * i + part // 2, 2 * j + part % 2
                if a >= first_share.shape[0] or b >= first_share.shape[1]:
                    continue
                top, left, share = a * MOTION_BLOCK, b * MOTION_BLOCK, first_share[a, b]
                first = vectors[0][a, b, 0], vectors[0][a, b, 1]
                last = vectors[1][a, b, 0], vectors[1][a, b, 1]
                pair = references[which[0, a, b]], references[which[1, a, b]]
                within = inside(luma, top, left, size, first) and inside(luma, top, left, size, last)
                if not within:
                    found = at_the_border(luma, pair, top, left, size, first, last, share, threshold, rounding)
                elif whole:
                    found = _large_block(luma, pair, top, left, first, last, share, threshold, rounding)
                else:
                    found = small_block(luma, pair, top, left, first, last, share, threshold, rounding)
                sums[i, j] += found[0]
                counts[i, j] += found[1]


@njit(cache=True, nogil=True, inline="always")
def inside(luma: Plane, top: int, left: int, size: int, vector: tuple[int, int]) -> bool:  # pragma: no cover
    """Do a block and all the pixels that predict it lie inside the frame?"""
    height, width = luma.shape
    y0, x0 = top + (vector[1] >> 2), left + (vector[0] >> 2)
    if min(y0, x0) < 0 or top + size > height or left + size > width:
        return False
    return bool(y0 + size < height and x0 + size < width)


@njit(cache=True, nogil=True, inline="always")
def _agree(
    vectors: NDArray[np.int32], share: NDArray[np.float32], which: NDArray[np.uint8], i: int, j: int
) -> bool:  # pragma: no cover - compiled
    """Do the four 8x8 blocks of macroblock (i, j) come from one place?"""
    a, b = 2 * i, 2 * j
    if a + 1 >= share.shape[0] or b + 1 >= share.shape[1]:
        return False
    for y in range(a, a + 2):
        for x in range(b, b + 2):
            if vectors[y, x, 0] != vectors[a, b, 0] or vectors[y, x, 1] != vectors[a, b, 1]:
                return False
            if share[y, x] != share[a, b] or which[y, x] != which[a, b]:
                return False
    return True


@njit(cache=True, nogil=True)
def at_the_border(
    luma: Plane,
    references: tuple[Plane, Plane],
    top: int,
    left: int,
    size: int,
    first: tuple[int, int],
    last: tuple[int, int],
    share: float,
    threshold: int,
    rounding: int,
) -> tuple[int, int]:  # pragma: no cover - compiled
    """The same for blocks at the border, pixel by pixel: the references are continued beyond it."""
    total, above = np.int32(0), np.int32(0)
    for y in range(top, min(top + size, luma.shape[0])):
        for x in range(left, min(left + size, luma.shape[1])):
            one = _predicted_pixel(references[0], y, x, first[0], first[1], rounding)
            two = _predicted_pixel(references[1], y, x, last[0], last[1], rounding)
            predicted = one if share >= 1 else two if share <= 0 else (one + two + 1) >> 1
            difference = abs(np.int32(luma[y, x]) - predicted)
            total += difference
            above += np.int32(difference > threshold)
    return int(total), int(above)


@njit(cache=True, nogil=True)
def _predicted_pixel(reference: Plane, y: int, x: int, qx: int, qy: int, rounding: int) -> int:  # pragma: no cover
    height, width = reference.shape
    (w00, w01, w10, w11), bias = _weights(qx, qy), _bias(qx, qy, rounding)
    upper, lower = min(max(y + (qy >> 2), 0), height - 1), min(max(y + (qy >> 2) + 1, 0), height - 1)
    left, right = min(max(x + (qx >> 2), 0), width - 1), min(max(x + (qx >> 2) + 1, 0), width - 1)
    value = w00 * reference[upper, left] + w01 * reference[upper, right]
    value += w10 * reference[lower, left] + w11 * reference[lower, right]
    return int(value + bias) >> 4


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
