"""From the decoder's vector records to one dense field for each reference frame."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from taplab.compiled import njit
from taplab.types import MOTION_BLOCK, Motion, MotionField

# libavutil's AVMotionVector; `align` reproduces the padding of the C struct (40 bytes).
RECORD = np.dtype(
    [
        ("source", "i4"),  # -1: predicted from the past, +1: from the future
        ("w", "u1"),
        ("h", "u1"),
        ("src_x", "i2"),
        ("src_y", "i2"),
        ("dst_x", "i2"),  # centre of the block in this frame
        ("dst_y", "i2"),
        ("flags", "u8"),
        ("motion_x", "i4"),  # displacement to the reference in 1 / motion_scale pixels
        ("motion_y", "i4"),
        ("motion_scale", "u2"),
    ],
    align=True,
)


def without_margin(records: NDArray[Any], left: int, top: int) -> NDArray[Any]:
    """Records of a picture that begins ``left`` columns and ``top`` rows into the coded one, where FFmpeg's begin."""
    if not left and not top:
        return records
    moved = records.copy()
    for name, by in (("src_x", left), ("dst_x", left), ("src_y", top), ("dst_y", top)):
        moved[name] -= by
    return moved


def motion_from_records(
    records: NDArray[Any], height: int, width: int, past: int | None, future: int | None
) -> Motion | None:
    """The motion of a frame of ``height`` x ``width`` pixels.

    ``records``: structured array of ``RECORD``. ``past`` and ``future``: coded indices of the reference frames
    in hand. None if there are no vectors, or if they point to a reference that is not in hand.
    """
    shape = (-(-height // MOTION_BLOCK), -(-width // MOTION_BLOCK))
    fields, hits = [], []
    for sign, reference in ((-1, past), (1, future)):
        vectors = np.zeros((*shape, 2), np.float32)
        hit = np.zeros(shape, np.bool_)
        _rasterise(records, sign, vectors, hit)
        if not hit.any():
            continue
        if reference is None:
            return None
        fill_from_nearest(vectors, hit)
        fields.append((reference, vectors))
        hits.append(hit)
    if not fields:
        return None
    weights = _shares(hits)
    return Motion(
        tuple(MotionField(ref, vectors, w) for (ref, vectors), w in zip(fields, weights, strict=True)),
        coded=np.logical_or.reduce(hits),
    )


def _shares(hits: list[NDArray[np.bool_]]) -> list[NDArray[np.float32]]:
    """Weight of each field in each block: equal among those that have a vector, among all where none has."""
    if len(hits) == 1:
        return [np.ones(hits[0].shape, np.float32)]
    votes = np.stack(hits).astype(np.float32)
    votes[:, ~votes.any(0)] = 1
    return list(votes / votes.sum(0))


@njit(cache=True, nogil=True)
def _rasterise(
    records: NDArray[Any], sign: int, vectors: NDArray[np.float32], hit: NDArray[np.bool_]
) -> None:  # pragma: no cover - compiled
    """Writes the displacement of every record of this sign to the 8x8 blocks that it covers."""
    rows, cols = hit.shape
    for k in range(len(records)):
        r = records[k]
        if r.source != sign or r.motion_scale == 0:
            continue
        dx = np.float32(r.motion_x) / np.float32(r.motion_scale)
        dy = np.float32(r.motion_y) / np.float32(r.motion_scale)
        # Records may lie outside the visible frame where its size is no multiple of 16.
        top, left = (r.dst_y - r.h // 2) // MOTION_BLOCK, (r.dst_x - r.w // 2) // MOTION_BLOCK
        bottom, right = (r.dst_y + (r.h + 1) // 2 - 1) // MOTION_BLOCK, (r.dst_x + (r.w + 1) // 2 - 1) // MOTION_BLOCK
        for i in range(max(top, 0), min(bottom, rows - 1) + 1):
            for j in range(max(left, 0), min(right, cols - 1) + 1):
                vectors[i, j, 0] = dx
                vectors[i, j, 1] = dy
                hit[i, j] = True


@njit(cache=True, nogil=True)
def fill_from_nearest(vectors: NDArray[np.float32], hit: NDArray[np.bool_]) -> None:  # pragma: no cover - compiled
    """Gives blocks without a vector that of the nearest block with one (two sweeps over the 8-neighbourhood)."""
    rows, cols = hit.shape
    near = np.zeros((rows, cols, 2), np.int32)  # offset to the nearest known block
    missing, first = np.empty(rows * cols + 1, np.int32), np.empty(rows + 1, np.int32)  # columns; where rows begin
    count = 0
    for i in range(rows):
        first[i] = count
        for j in range(cols):  # without a branch
            missing[count] = j
            count += not hit[i, j]
        for j in missing[first[i] : count]:
            near[i, j] = rows + cols  # farther than any
    first[rows] = count
    for sweep in range(2):
        step = 1 if sweep == 0 else -1
        for a in range(rows):
            i = a if sweep == 0 else rows - 1 - a
            there = missing[first[i] : first[i + 1]][::step]
            for j in there:
                _relax(near, i, j, -step, -step)
                _relax(near, i, j, -step, 0)
                _relax(near, i, j, -step, step)
                _relax(near, i, j, 0, -step)
            for j in there[::-1]:
                _relax(near, i, j, 0, step)
    for i in range(rows):
        for j in missing[first[i] : first[i + 1]]:
            vectors[i, j] = vectors[i + near[i, j, 0], j + near[i, j, 1]]


@njit(cache=True, nogil=True, inline="always")
def _relax(near: NDArray[np.int32], i: int, j: int, di: int, dj: int) -> None:  # pragma: no cover - compiled
    """Takes over the neighbour's nearest block if it is nearer than ours."""
    y, x = i + di, j + dj
    if 0 <= y < near.shape[0] and 0 <= x < near.shape[1]:
        ny, nx = near[y, x, 0] + di, near[y, x, 1] + dj
        if ny * ny + nx * nx < near[i, j, 0] ** 2 + near[i, j, 1] ** 2:
            near[i, j, 0], near[i, j, 1] = ny, nx
