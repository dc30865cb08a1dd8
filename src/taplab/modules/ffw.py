r"""Fast feature warping (Sec. 3.2): ``F_t[p] = F_{t-1}[p - Mv_t[p]]`` (Eq. 1).

Warping again and again blurs. So a warped frame is not kept as scores but as *where its scores come from*: the
scores of the frame that the network saw, and for every score cell the displacement to it. The displacements of
successive frames are added up (``compose``), and the scores are sampled once (``warp``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from taplab.compiled import njit
from taplab.scoremap import on_device
from taplab.scoremap.cells import Displacement
from taplab.scoremap.contours import Contours, grows
from taplab.scoremap.sampled import Sampled
from taplab.types import MOTION_BLOCK, Motion, shared_out


@dataclass(eq=False)
class Carried:
    """Scores of a frame, as samples of ``origin`` ``[C, h, w]``; without a displacement they are ``origin`` itself.

    sampled: the origin as labels are made of it, shared by all frames that have this origin.
    """

    origin: Tensor
    displacement: Displacement | Tensor | None = None
    sampled: Sampled | None = None

    def __post_init__(self) -> None:
        self.sampled = self.sampled or Sampled(self.origin)

    @cached_property
    def scores(self) -> Tensor:
        """``[C, h, w]`` on the origin's device."""
        return self.origin if self.displacement is None else warp(self.origin, self.displacement)

    def for_labels(self, size: tuple[int, int]) -> Contours | Tensor:
        """All that labels of this size, in pixels, take."""
        fits = self.origin.device.type == "cpu" and grows(self.origin.shape[-2:], size)
        if not isinstance(self.displacement, np.ndarray) or not fits or "scores" in self.__dict__:
            return self.scores
        assert self.sampled is not None
        return self.sampled.contours(self.displacement)


def propagate(motion: Motion, references: Mapping[int, Carried], size: tuple[int, int]) -> Carried | None:
    """The scores of a frame of ``size`` (rows, columns) pixels, carried over from its reference frames (Eq. 1).

    A block that was predicted from two frames gets the mean of both. Where a reference is not in hand, the others share
    what came from there, if most of the frame comes from them. None if not, or if the scores have different shapes.
    """
    fields = [field for field in motion.fields if field.reference in references]
    shapes = {references[field.reference].origin.shape for field in fields}
    if len(shapes) != 1:
        return None
    if len(fields) < len(motion.fields):
        fields, left = shared_out(fields)
        if left.mean() <= 0.5:
            return None
    carried = []
    for field in fields:
        source = references[field.reference]
        carried.append(Carried(source.origin, _way(field.vectors, source, size), source.sampled))
    if len(carried) == 1:
        return carried[0]
    scores = torch.zeros_like(carried[0].origin)
    for field, part in zip(fields, carried, strict=True):
        weight = torch.from_numpy(to_cells(field.weight, (scores.shape[-2], scores.shape[-1]), size, MOTION_BLOCK))
        scores += part.scores * weight.to(scores.device, scores.dtype)
    return Carried(scores)


def _way(vectors: NDArray[np.float32], source: Carried, size: tuple[int, int]) -> Displacement | Tensor:
    """``compose``, on the device of the scores."""
    cells = (int(source.origin.shape[-2]), int(source.origin.shape[-1]))
    before: Any = source.displacement
    if on_device.takes(source.origin):
        return on_device.composed(vectors, before, cells, size, source.origin.device)
    return compose(vectors, before, cells, size)


def compose(
    vectors: NDArray[np.float32],
    before: Displacement | None,
    cells: tuple[int, int],
    size: tuple[int, int],
    block: int = MOTION_BLOCK,
) -> Displacement:
    """Displacement ``[h, w, 2]`` from this frame's cells to the origin: its own motion plus the reference's, there.

    vectors: float32 ``[rows, cols, 2]``, in pixels, one for each ``block`` x ``block`` pixels (1: dense flow); a cell's
    is the one at its centre. before: the reference's displacement to the origin, None where it is the origin.
    cells: (h, w) of the score map. size: (H, W) of the frame in pixels.
    """
    out = np.empty((*cells, 2), np.float32)
    scale = np.array([cells[1] / size[1], cells[0] / size[0]], np.float32)  # cells a pixel
    places = _centres(cells[0], size[0], block), _centres(cells[1], size[1], block)
    nothing = np.zeros((1, 1, 2), np.float32)
    _compose(vectors, places, nothing if before is None else before, before is not None, scale, out)
    return out


def warp(scores: Tensor, displacement: Displacement | Tensor) -> Tensor:
    """Samples ``scores`` ``[C, h, w]`` at ``cell + displacement`` ``[h, w, 2]`` (Eq. 1); borders replicate."""
    moved = displacement if isinstance(displacement, Tensor) else torch.from_numpy(displacement).to(scores.device)
    h, w = moved.shape[:2]
    x = moved[..., 0] + torch.arange(w, device=moved.device)
    y = moved[..., 1] + torch.arange(h, device=moved.device)[:, None]
    # grid_sample counts from -1 at the left edge of the first cell to 1 at the right edge of the last one.
    where = torch.stack([(2 * x + 1) / w - 1, (2 * y + 1) / h - 1], -1).to(scores.dtype)
    out = F.grid_sample(scores[None], where[None], mode="bilinear", padding_mode="border", align_corners=False)
    return out[0]


def to_cells(blocks: NDArray[Any], cells: tuple[int, int], size: tuple[int, int], block: int) -> NDArray[Any]:
    """Values ``[rows, cols]`` of blocks of ``block`` pixels, at the centres of the score cells ``[h, w]``."""
    rows, columns = _centres(cells[0], size[0], block), _centres(cells[1], size[1], block)
    return np.ascontiguousarray(blocks[rows][:, columns])


@lru_cache(maxsize=64)
def _centres(cells: int, pixels: int, block: int) -> NDArray[np.intp]:
    """The block in which the centre of each cell lies, along one axis."""
    return ((np.arange(cells) + 0.5) * (pixels / cells) / block).astype(np.intp)


@njit(cache=True, nogil=True)
def _compose(
    vectors: NDArray[np.float32],
    places: tuple[NDArray[np.intp], NDArray[np.intp]],
    before: Displacement,
    moved: bool,
    scale: NDArray[np.float32],
    out: Displacement,
) -> None:  # pragma: no cover - compiled
    rows, cols = out.shape[:2]
    for i in range(rows):
        own = vectors[places[0][i]]
        for j in range(cols):
            b = places[1][j]
            dx, dy = own[b, 0] * scale[0], own[b, 1] * scale[1]
            if moved:
                # The reference's own displacement, at the cell nearest to where this one comes from: motion
                # has edges, and a mixture of both sides would be wrong on either.
                y = min(max(int(np.rint(i + dy)), 0), rows - 1)
                x = min(max(int(np.rint(j + dx)), 0), cols - 1)
                dx += before[y, x, 0]
                dy += before[y, x, 1]
            out[i, j, 0] = dx
            out[i, j, 1] = dy
