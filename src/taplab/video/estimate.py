"""Motion of our own, where the stream has none: a block search from coarse to fine."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from taplab.types import MOTION_BLOCK, Motion, MotionField, Plane
from taplab.video import search
from taplab.video.pyramid import LEVELS, Pyramid, blocks, pyramid

_STEPS = (1, 1, 4)  # pixels: of the first diamond, finest level first
_NO_VECTORS = np.empty((0, 0, 2), np.int32)


def estimate_motion(luma: Plane, reference_luma: Plane, reference: int, seed: MotionField | None = None) -> Motion:
    """The motion of a picture, uint8 ``[H, W]``, from a reference of the same size.

    reference: its coded index. seed: a field of about this motion, such as that of the frame before. Vectors are whole
    quarters of a pixel. Blocks that differ more from their best match than from their own mean are not ``coded``.
    """
    return _estimate(luma, pyramid(luma), reference_luma, reference, seed).motion


def estimate_between(luma: Plane, references: Sequence[tuple[int, Plane, MotionField | None]]) -> Motion:
    """The motion from one or two references, (coded index, luma, seed) each: blocks take the one that matches better.

    All planes uint8 ``[H, W]`` of one size; see ``estimate_motion``.
    """
    levels = pyramid(luma)
    found = [_estimate(luma, levels, other, index, seed) for index, other, seed in references]
    if len(found) == 1:
        return found[0].motion
    first, second = found
    share = (first.sads <= second.sads).astype(np.float32)
    fields = (
        replace(first.motion.fields[0], weight=share),
        replace(second.motion.fields[0], weight=1 - share),
    )
    coded = np.where(share > 0, first.motion.coded, second.motion.coded)
    return Motion(fields, coded, "estimated")


@dataclass(frozen=True)
class _Estimate:
    """sads: int32 ``[rows, cols]``, how badly the surroundings of each 8x8 block match at half resolution."""

    motion: Motion
    sads: NDArray[np.int32]


def _estimate(
    luma: Plane, levels: Pyramid, reference_luma: Plane, reference: int, seed: MotionField | None
) -> _Estimate:
    others = pyramid(reference_luma)
    parent = sads = _NO_VECTORS
    for k in reversed(range(LEVELS)):
        shape = blocks(luma.shape, k)
        found, sads = np.empty((*shape, 2), np.int32), np.empty(shape, np.int32)
        search.search(levels[k], others[k], parent, _at_level(seed, k, shape), _STEPS[k], found, sads)
        parent = found
    explained = np.empty(sads.shape, np.bool_)
    search.explained(levels[0], sads, explained)
    shape = -(-luma.shape[0] // MOTION_BLOCK), -(-luma.shape[1] // MOTION_BLOCK)
    vectors, sads = np.empty((*shape, 2), np.float32), np.empty(shape, np.int32)
    search.refine(levels[0], others[0], parent, vectors, sads)
    quarters = np.rint(8 * vectors)  # from pixels at half resolution
    field = MotionField(reference, (quarters / 4).astype(np.float32), np.ones(shape, np.float32))
    coded = np.ascontiguousarray(np.repeat(np.repeat(explained, 2, 0), 2, 1)[: shape[0], : shape[1]])
    return _Estimate(Motion((field,), coded, "estimated"), sads)


def _at_level(seed: MotionField | None, level: int, shape: tuple[int, int]) -> search.Vectors:
    """Vectors of a field as whole pixels of a level, one for each of its blocks."""
    if seed is None:
        return _NO_VECTORS
    step = 2 << level
    vectors = seed.vectors[::step, ::step][: shape[0], : shape[1]]
    return np.rint(vectors / step).astype(np.int32)
