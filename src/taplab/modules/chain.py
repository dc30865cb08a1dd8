"""Motion past frames that are not in hand: the vectors to such a frame and its own are added up."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from taplab.types import MOTION_BLOCK, Motion, MotionField, shared_out

_MOST_FIELDS = 2  # as of a B-frame: what the rest of the house expects
_LEAST_KNOWN = 0.5  # share of a frame that must lead somewhere

Blocks = tuple[NDArray[np.intp], NDArray[np.intp]]  # rows and columns


def past(motion: Motion, gone: Mapping[int, Motion | None]) -> Motion | None:
    """The motion of a frame to frames in hand.

    gone: by coded index, frames that are not, each with its own motion to frames in hand, None where it has none. None
    if most of the frame leads nowhere.
    """
    if not any(field.reference in gone for field in motion.fields):
        return motion
    fields: list[MotionField] = []
    coded = np.zeros(motion.coded.shape, np.float32)
    for field in motion.fields:
        onward = gone.get(field.reference)
        if field.reference not in gone:
            fields.append(field)
            coded += field.weight
        elif onward is not None:
            there = _landed(field)
            fields += [_chained(field, step, there) for step in onward.fields]
            coded += field.weight * onward.coded[there]
    kept = sorted(_by_reference(fields), key=lambda field: -float(field.weight.sum()))[:_MOST_FIELDS]
    if not kept:
        return None
    whole, known = shared_out(kept)
    if known.mean() <= _LEAST_KNOWN:
        return None
    return replace(motion, fields=tuple(whole), coded=motion.coded & (coded > 0.5))


def _landed(field: MotionField) -> Blocks:
    """The block of the reference in which the centre of each block comes from."""
    rows, columns = field.weight.shape
    blocks = np.rint(field.vectors / MOTION_BLOCK).astype(np.intp)
    y = np.clip(np.arange(rows)[:, None] + blocks[..., 1], 0, rows - 1)
    x = np.clip(np.arange(columns) + blocks[..., 0], 0, columns - 1)
    return y, x


def _chained(field: MotionField, onward: MotionField, there: Blocks) -> MotionField:
    return MotionField(onward.reference, field.vectors + onward.vectors[there], field.weight * onward.weight[there])


def _by_reference(fields: list[MotionField]) -> list[MotionField]:
    """One field a reference: the weights add up, the vectors are those of the larger weight."""
    merged: dict[int, MotionField] = {}
    for field in fields:
        other = merged.get(field.reference)
        if other is not None:
            mine = (field.weight > other.weight)[..., None]
            vectors = np.where(mine, field.vectors, other.vectors)
            field = MotionField(field.reference, vectors, field.weight + other.weight)
        merged[field.reference] = field
    return list(merged.values())
