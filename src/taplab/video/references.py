"""Which frame each block really comes from: FFmpeg exports where a vector points, but only past or future.

The nearest reference on that side is right for most blocks. Of the others, which the nearest explains badly, each
takes the reference on that side that explains it best.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taplab.compiled import njit
from taplab.types import MOTION_BLOCK, Motion, MotionField, Plane, shared_out
from taplab.video.motion import motion_from_records
from taplab.video.pyramid import Layered
from taplab.video.residual import at_the_border, inside, quarter_pels, small_block

_DOUBTFUL = 2 * MOTION_BLOCK**2  # sum of |Res| of a block, two grey levels per pixel: below, the nearest is right
_LITTLE = MOTION_BLOCK**2 // 2  # half a grey level per pixel: a smaller gain is noise
_FEWEST = 0.01  # share of blocks for which a further reference is worth it


@dataclass(eq=False)
class Reference(Layered):
    """A frame that others may be predicted from. luma: uint8 ``[H, W]``. scene: see ``CodedFrame``."""

    index: int
    display: int
    motion: Motion | None = None
    scene: int = 0


def coded_motion(
    records: NDArray[Any], luma: Plane, display: int, references: Sequence[Reference], *, several: bool
) -> Motion | None:
    """The motion of the frame at ``display`` from the codec's records, in one scene.

    references: those in hand. several: frames may come from others than the nearest. None without vectors, or where
    they point to what is not in hand.
    """
    before = sorted((r for r in references if r.display < display), key=lambda r: -r.display)
    after = sorted((r for r in references if r.display > display), key=lambda r: r.display)
    height, width = luma.shape
    past, future = (side[0].index if side else None for side in (before, after))
    motion = motion_from_records(records, height, width, past, future)
    if motion is None:
        return None
    if several:
        motion = with_further_references(motion, luma, before, after)
    return within_one_scene(motion, {r.index: r.scene for r in references})


def with_further_references(
    motion: Motion, luma: Plane, before: Sequence[Reference], after: Sequence[Reference]
) -> Motion:
    """Gives blocks to other references where these explain them better.

    motion: of a field from the nearest reference on a side, or of two. before, after: all on each side, nearest first.
    Blocks that come from both sides stay as they are.
    """
    fields: list[MotionField] = []
    for field in motion.fields:
        side = before if before and field.reference == before[0].index else after
        fields += _split(field, luma, side, motion.coded & (field.weight == 1))
    return replace(motion, fields=tuple(fields))


def _split(
    field: MotionField, luma: Plane, candidates: Sequence[Reference], wanted: NDArray[np.bool_]
) -> list[MotionField]:
    """One field for each reference that some of the ``wanted`` blocks take; the vectors stay as they are.

    A quarter of the blocks tells which of the candidates are worth a look at the others.
    """
    if len(candidates) < 2:
        return [field]
    vectors = quarter_pels(field.vectors)
    sample = np.zeros_like(wanted)
    sample[::2, ::2] = wanted[::2, ::2]
    fewest = max(_FEWEST * sample.size / 4, 1)
    gains = _gains(luma, candidates, vectors, sample, fewest)
    worth = [c for c, gain in zip(candidates[1:], gains, strict=True) if (gain > 0).sum() >= fewest]
    if not worth:
        return [field]
    gains = _gains(luma, [candidates[0], *worth], vectors, wanted, 1)
    best = np.argmax([np.zeros_like(gains[0]), *gains], axis=0)  # 0: none gains
    shares = [np.where(best == k, field.weight, 0).astype(np.float32) for k in range(len(worth) + 1)]
    references = [field.reference, *(c.index for c in worth)]
    return [MotionField(r, field.vectors, share) for r, share in zip(references, shares, strict=True) if share.any()]


def _gains(
    luma: Plane,
    candidates: Sequence[Reference],
    vectors: NDArray[np.int32],
    wanted: NDArray[np.bool_],
    fewest: float,
) -> list[NDArray[np.int32]]:
    """By how much each of the others explains the ``wanted`` blocks better than the first; 0 where it is little.

    All 0 where the first leaves fewer than ``fewest`` blocks in doubt.
    """
    nearest = block_sums(luma, candidates[0].luma, vectors, wanted)
    doubtful = wanted & (nearest > _DOUBTFUL)
    if doubtful.sum() < fewest:
        return [np.zeros_like(nearest) for _ in candidates[1:]]
    gains = [nearest - block_sums(luma, other.luma, vectors, doubtful) for other in candidates[1:]]
    return [np.where(doubtful & (gain > _LITTLE), gain, 0) for gain in gains]


def within_one_scene(motion: Motion, scenes: Mapping[int, int]) -> Motion:
    """Only the fields from the scene that most blocks come from: B-frames at a cut have it on one side only."""
    counts = dict.fromkeys((scenes[field.reference] for field in motion.fields), 0.0)
    if len(counts) == 1:
        return motion
    for field in motion.fields:
        counts[scenes[field.reference]] += float((field.weight * motion.coded).sum())
    scene = max(counts, key=lambda s: counts[s])
    kept, left = shared_out([field for field in motion.fields if scenes[field.reference] == scene])
    return replace(motion, fields=tuple(kept), coded=motion.coded & (left > 0))


def block_sums(
    luma: Plane, reference: Plane, vectors: NDArray[np.int32], wanted: NDArray[np.bool_]
) -> NDArray[np.int32]:
    """Sum of \\|Res\\| of the ``wanted`` 8x8 blocks, int32 ``[rows, cols]``; vectors in quarter pixels."""
    sums = np.zeros(wanted.shape, np.int32)
    _block_sums(luma, reference, vectors, wanted, sums)
    return sums


@njit(cache=True, nogil=True)
def _block_sums(
    luma: Plane, reference: Plane, vectors: NDArray[np.int32], wanted: NDArray[np.bool_], sums: NDArray[np.int32]
) -> None:  # pragma: no cover - compiled
    pair = reference, reference
    for i in range(wanted.shape[0]):
        for j in range(wanted.shape[1]):
            if not wanted[i, j]:
                continue
            top, left, vector = i * MOTION_BLOCK, j * MOTION_BLOCK, (vectors[i, j, 0], vectors[i, j, 1])
            if inside(luma, top, left, MOTION_BLOCK, vector):
                sums[i, j] = small_block(luma, pair, top, left, vector, vector, 1.0, 255, 0)[0]
            else:
                found = at_the_border(luma, pair, top, left, MOTION_BLOCK, vector, vector, 1.0, 255, 0)
                sums[i, j] = found[0]
