"""Motion of our own, where the stream has none: a block search from coarse to fine."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taplab.types import MOTION_BLOCK, Motion, MotionField, Plane
from taplab.video import search
from taplab.video.pyramid import LEVELS, Layered, blocks

_STEPS = (1, 1, 4)  # pixels: of the first diamond, finest level first
_NO_VECTORS, _NO_SADS = np.empty((0, 0, 2), np.int32), np.empty((0, 0), np.int32)


def estimate_motion(luma: Plane, reference_luma: Plane, reference: int, seed: MotionField | None = None) -> Motion:
    """The motion of a picture, uint8 ``[H, W]``, from a reference of the same size.

    reference: its coded index. seed: a field of about this motion, such as that of the frame before. Vectors are whole
    quarters of a pixel. Blocks that differ more from their best match than from their own mean are not ``coded``.
    """
    return estimate_between(Layered(luma), [(reference, Layered(reference_luma), seed)])


def estimate_between(picture: Layered, references: Sequence[tuple[int, Layered, MotionField | None]]) -> Motion:
    """The motion from one or two references, (coded index, picture, seed) each; blocks take the better match.

    All pictures of one size; see ``estimate_motion``.
    """
    found = [_estimate(picture, other, seed) for _, other, seed in references]
    first, sads = found[0], [estimate.sads for estimate in found]
    nearer, coded = np.ones(first.sads.shape, np.bool_), first.explained
    if len(found) == 2:
        nearer = sads[0] <= sads[1]
        coded = np.where(nearer, first.explained, found[1].explained)
    fields = []
    for k, (index, other, _) in enumerate(references):
        vectors = np.empty((*sads[k].shape, 2), np.float32)
        rival = sads[1 - k] if len(found) == 2 else _NO_SADS
        search.in_quarters(picture.levels[0], other.levels[0], found[k].vectors, sads[k], rival, vectors)
        fields.append(MotionField(index, vectors, (nearer if k == 0 else ~nearer).astype(np.float32)))
    return Motion(tuple(fields), coded, "estimated")


@dataclass(frozen=True)
class _Estimate:
    """Of each 8x8 block of the picture, in pixels at half resolution.

    vectors: int32 ``[rows, cols, 2]``, whole. sads: int32 ``[rows, cols]``, how badly its surroundings match.
    explained: bool ``[rows, cols]``, see ``search.explained``.
    """

    vectors: search.Vectors
    sads: NDArray[np.int32]
    explained: NDArray[np.bool_]


def _estimate(picture: Layered, other: Layered, seed: MotionField | None) -> _Estimate:
    size, levels, others = picture.luma.shape, picture.levels, other.levels
    parent = sads = _NO_VECTORS
    for k in reversed(range(LEVELS)):
        shape = blocks(size, k)
        found, sads = np.empty((*shape, 2), np.int32), np.empty(shape, np.int32)
        search.search(levels[k], others[k], parent, _at_level(seed, k, shape), _STEPS[k], found, sads)
        parent = found
    explained = np.empty(sads.shape, np.bool_)
    search.explained(levels[0], sads, explained)
    shape = -(-size[0] // MOTION_BLOCK), -(-size[1] // MOTION_BLOCK)
    vectors, sads = np.empty((*shape, 2), np.int32), np.empty(shape, np.int32)
    search.refine(levels[0], others[0], parent, vectors, sads)
    coded = np.ascontiguousarray(np.repeat(np.repeat(explained, 2, 0), 2, 1)[: shape[0], : shape[1]])
    return _Estimate(vectors, sads, coded)


def _at_level(seed: MotionField | None, level: int, shape: tuple[int, int]) -> search.Vectors:
    """Vectors of a field as whole pixels of a level, one for each of its blocks."""
    if seed is None:
        return _NO_VECTORS
    step = 2 << level
    vectors = seed.vectors[::step, ::step][: shape[0], : shape[1]]
    return np.rint(vectors / step).astype(np.int32)
