"""Estimated motion of a picture from the references around it; also in place of the codec's, if fast or missing."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from taplab.types import MOTION_BLOCK, Motion, MotionField
from taplab.video.estimate import estimate_between
from taplab.video.references import Reference

MANY_INTRA = 0.2  # share of blocks; in less the encoder found good vectors for what moves
FAST = 0.015  # of the picture's height, mean length of vectors: encoders find cheap ones then, and not the true ones


def estimated_around(picture: Reference, references: Sequence[Reference]) -> Motion | None:
    """From the references shown last before it and first after it; from one scene, the one that explains more.

    None where there are none.
    """
    before = max((r for r in references if r.display < picture.display), key=lambda r: r.display, default=None)
    after = min((r for r in references if r.display > picture.display), key=lambda r: r.display, default=None)
    seeds = _seeds(picture.display, before, after)
    sides = [(r.index, r, seed) for r, seed in zip((before, after), seeds, strict=True) if r is not None]
    if not sides:
        return None
    if before is not None and after is not None and before.scene != after.scene:
        found = [estimate_between(picture, [side]) for side in sides]
        return max(found, key=lambda motion: float(motion.coded.mean()))
    return estimate_between(picture, sides)


def is_fast(motion: Motion) -> bool:
    """Do blocks move by ``FAST`` or more, on average?"""
    # np.hypot takes six times as long.
    lengths = [np.sqrt(f.vectors[..., 0] ** 2 + f.vectors[..., 1] ** 2) * f.weight for f in motion.fields]
    mean = float(np.sum(lengths)) / motion.coded.size
    return bool(mean >= FAST * MOTION_BLOCK * motion.coded.shape[0])


def refined(motion: Motion, picture: Reference, references: Sequence[Reference]) -> Motion:
    """The codec's motion searched again, from its vectors on; what comes from which reference stays as it is."""
    in_hand = {r.index: r for r in references}

    def searched(field: MotionField) -> MotionField:
        found = estimate_between(picture, [(field.reference, in_hand[field.reference], field)])
        return replace(field, vectors=found.fields[0].vectors)

    return replace(motion, fields=tuple(searched(field) for field in motion.fields), origin="refined")


def with_intra_estimated(motion: Motion, picture: Reference, references: Sequence[Reference]) -> Motion:
    """The codec's motion; where many blocks are intra, these get estimated vectors instead of a neighbour's.

    They are searched in the reference that most blocks come from. ``coded`` stays as it is.
    """
    if motion.origin != "codec" or 1 - float(motion.coded.mean()) < MANY_INTRA:
        return motion
    most = max(motion.fields, key=lambda field: float(field.weight.sum()))
    reference = next(r for r in references if r.index == most.reference)
    found = estimate_between(picture, [(most.reference, reference, most)]).fields[0]
    return replace(motion, fields=tuple(_filled(field, motion.coded, most, found) for field in motion.fields))


def _filled(field: MotionField, coded: NDArray[np.bool_], most: MotionField, found: MotionField) -> MotionField:
    """All blocks that are not ``coded`` come from where ``found`` says, if this is the field of ``most``."""
    if field is not most:
        return replace(field, weight=np.where(coded, field.weight, np.float32(0)))
    vectors = np.where(coded[..., None], field.vectors, found.vectors)
    return replace(field, vectors=vectors, weight=np.where(coded, field.weight, np.float32(1)))


def _seeds(
    display: int, before: Reference | None, after: Reference | None
) -> tuple[MotionField | None, MotionField | None]:
    """What the motion is about: between two references a share of the one's from the other, else as it was before."""
    if before is not None and after is not None and after.motion is not None:
        across = next((f for f in after.motion.fields if f.reference == before.index), None)
        if across is not None:
            share = (display - before.display) / (after.display - before.display)
            return _scaled(across, share), _scaled(across, share - 1)
    return (before.motion.fields[0] if before is not None and before.motion is not None else None), None


def _scaled(field: MotionField, factor: float) -> MotionField:
    return replace(field, vectors=field.vectors * np.float32(factor))
