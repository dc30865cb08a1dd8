"""Estimated motion of a picture from the references around it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from taplab.types import Motion, MotionField
from taplab.video.estimate import estimate_between
from taplab.video.references import Reference


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
