r"""Matching with the key frame's picture: where do a cell's scores come from, and how far are they to be trusted?

Codec motion is added up over many frames, in blocks; it drifts, and it says nothing of what was covered or changed. So
the picture of a frame is compared with that of its key frame, both at the size of the score map: one luma and two
chroma values a cell. The comparison first corrects the displacement (``refine``), then weighs the key frame's scores
around the place it leads to (``gather``)::

    F_t[p] = sum_k sum_q w_k[q] F_k[q] / sum_k sum_q w_k[q],    w_k[q] = share_k exp(-|I_t[p] - I_k[q]| / SPREAD)

over the key frames k and the 3x3 cells q around ``p + displacement``: what differs counts little, wherever it went.
A key frame of which the network saw a region has nothing to say outside it: its *presence* there is 0, and weights as
well as scores are multiplied by it. Cells that come from well inside one class, in all key frames, and look about as
there, need none of this (``unsettled``).
"""

from collections.abc import Callable, Sequence
from functools import cached_property

import av
import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from taplab.modules.ffw import Displacement
from taplab.types import Plane
from taplab.video.planes import yuv_planes

CellPicture = NDArray[np.float32]  # [h, w, 3], mean Y, U and V of each score cell
CellScores = NDArray[np.float32]  # [h, w, C + 1], probabilities times the presence, which comes last

SPREAD = 3.0  # grey levels, summed over Y, U and V: difference at which a match counts 1 / e
MOVE_COST = 1.0  # grey levels by which another displacement must match better than the codec's own
STRANGE = 30.0  # grey levels, likewise: beyond this a cell is compared wherever it comes from
ABSENT = -2  # in place of a class, where the presence is 0
_STEPS = 2048  # entries of the table of weights, 8 for a grey level
_WEIGHT = np.exp(-np.arange(_STEPS, dtype=np.float32) / (8 * SPREAD))


def cell_picture(picture: av.VideoFrame, cells: tuple[int, int]) -> CellPicture:
    """The mean colour of each score cell."""
    out = np.empty((*cells, 3), np.float32)
    for k, plane in enumerate(yuv_planes(picture)):
        _average(plane, out[..., k])
    return out


def present(scores: Tensor, presence: Tensor | float = 1.0) -> CellScores:
    """Scores of the network ``[C, h, w]`` as ``gather`` takes them. presence: ``[h, w]`` in 0..1.

    Probabilities, since of two raw scores the louder one would decide.
    """
    probabilities = scores.softmax(0).float()
    mask = torch.as_tensor(presence, dtype=torch.float32, device=scores.device).expand(scores.shape[1:])
    array: CellScores = torch.cat([probabilities * mask, mask[None]]).permute(1, 2, 0).contiguous().cpu().numpy()
    return array


def refine(now: CellPicture, key: CellPicture, displacement: Displacement, active: NDArray[np.bool_]) -> Displacement:
    """A better displacement for each ``active`` cell: its own, that of a cell 1, 2, 4 or 8 away, or half a cell beside.

    In reading order, so that what one cell found is offered to the next (as in PatchMatch).
    """
    out = displacement.copy()
    _refine(now, key, active, out)
    return out


class Gathered:
    """What ``gather`` found, worked out at the first look.

    scores: probabilities ``[C, h, w]``. match: ``[h, w]`` in 0..1, see ``gather``.
    """

    def __init__(self, work: Callable[[], tuple[CellScores, NDArray[np.float32]]]) -> None:
        self._work: Callable[[], tuple[CellScores, NDArray[np.float32]]] | None = work

    @cached_property
    def _found(self) -> tuple[CellScores, NDArray[np.float32]]:
        assert self._work is not None
        found = self._work()
        self._work = None  # lets go of the key frames
        return found

    @property
    def probabilities(self) -> CellScores:
        """``[h, w, C + 1]``, to be gathered from; present everywhere."""
        return self._found[0]

    @property
    def scores(self) -> Tensor:
        """``[C, h, w]`` on the CPU."""
        return torch.from_numpy(self._found[0]).permute(2, 0, 1)[:-1]

    @property
    def match(self) -> Tensor:
        """``[h, w]`` on the CPU."""
        return torch.from_numpy(self._found[1])


def gather(
    now: CellPicture,
    sides: Sequence[tuple[CellScores, CellPicture, Displacement, float]],
    active: NDArray[np.bool_],
) -> tuple[CellScores, NDArray[np.float32]]:
    """Scores from some key frames, each with its picture, the displacement to it and its share; the presence is 1.

    One of them must be present everywhere. Cells that are not ``active`` take those of the cells that the displacements
    lead to, without comparison. Also how well the pictures match there, ``[h, w]`` in 0..1: the mean weight, 1 where
    nothing was compared.
    """
    out, most = np.zeros_like(sides[0][0]), np.zeros(active.shape, np.float32)
    for scores, key, way, share in sides:
        _gather(now, scores, key, way, np.float32(share), active, _WEIGHT, out, most)
    match = np.minimum(out[..., -1] / most, np.float32(1))
    _divide(out)
    return out, match


def calm(scores: CellScores) -> NDArray[np.int16]:
    """The best class of cells that have it all around, ABSENT where nothing is said, -1 elsewhere; ``[h, w]``."""
    best = scores[..., :-1].argmax(2).astype(np.int16)
    best[scores[..., -1] == 0] = ABSENT
    least, most = best, best
    for axis in (0, 1):
        least = np.minimum.reduce(_around(least, axis))
        most = np.maximum.reduce(_around(most, axis))
    settled: NDArray[np.int16] = np.where((least == most) | (best == ABSENT), best, np.int16(-1))
    return settled


def _around(values: NDArray[np.int16], axis: int) -> list[NDArray[np.int16]]:
    """The values and those of the cells on either side along the axis; borders replicate."""
    place = np.arange(values.shape[axis])
    return [np.take(values, np.clip(place + k, 0, len(place) - 1), axis) for k in (-1, 0, 1)]


def unsettled(
    now: CellPicture, sides: Sequence[tuple[NDArray[np.int16], CellPicture, Displacement]]
) -> NDArray[np.bool_]:
    """Cells that the displacements do not lead to one calm class (see ``calm``), or to a strange colour; ``[h, w]``.

    A side: the calm classes of a key frame, its picture and the displacement to it. The first is present everywhere.
    """
    found = np.empty(sides[0][0].shape, np.int16)
    _follow(now, *sides[0], found)
    out: NDArray[np.bool_] = found < 0
    for side in sides[1:]:
        other = np.empty_like(found)
        _follow(now, *side, other)
        out |= (other != found) & (other != ABSENT)
    return out


@njit(cache=True, nogil=True)
def _average(plane: Plane, out: NDArray[np.float32]) -> None:  # pragma: no cover - compiled
    height, width = plane.shape
    rows, cols = out.shape
    columns = np.empty(width, np.uint32)  # sums over the rows of a cell: whole rows at once are three times as fast
    for i in range(rows):
        top = i * height // rows
        bottom = max((i + 1) * height // rows, top + 1)
        columns[:] = 0
        for y in range(top, bottom):
            for x in range(width):
                columns[x] += plane[y, x]
        for j in range(cols):
            left = j * width // cols
            right = max((j + 1) * width // cols, left + 1)
            total = np.uint32(0)
            for x in range(left, right):
                total += columns[x]
            out[i, j] = total / np.float32((bottom - top) * (right - left))


@njit(cache=True, nogil=True, inline="always")
def _place(position: np.float32, size: int) -> tuple[int, int, np.float32]:  # pragma: no cover - compiled
    """The two cells around a position, inside the map, and the share of the second."""
    position = min(max(position, np.float32(0)), np.float32(size - 1))
    first = int(position)
    return first, min(first + 1, size - 1), position - np.float32(first)


@njit(cache=True, nogil=True, fastmath=True)
def _difference(
    now: CellPicture, key: CellPicture, i: int, j: int, dx: np.float32, dy: np.float32
) -> np.float32:  # pragma: no cover - compiled
    """Sum over Y, U, V of the difference between a cell and where (dx, dy) leads."""
    y0, y1, fy = _place(np.float32(i) + dy, key.shape[0])
    x0, x1, fx = _place(np.float32(j) + dx, key.shape[1])
    one = np.float32(1)
    total = np.float32(0)
    for k in range(3):
        upper = key[y0, x0, k] * (one - fx) + key[y0, x1, k] * fx
        lower = key[y1, x0, k] * (one - fx) + key[y1, x1, k] * fx
        total += abs(now[i, j, k] - (upper * (one - fy) + lower * fy))
    return total


@njit(cache=True, nogil=True, fastmath=True)
def _refine(
    now: CellPicture, key: CellPicture, active: NDArray[np.bool_], out: Displacement
) -> None:  # pragma: no cover - compiled
    rows, cols = active.shape
    for i in range(rows):
        for j in range(cols):
            if not active[i, j]:
                continue
            dx, dy = out[i, j, 0], out[i, j, 1]
            least = _difference(now, key, i, j, dx, dy)
            for step in (1, 2, 4, 8):
                for turn in range(4):
                    y = i + (step if turn == 0 else -step if turn == 1 else 0)
                    x = j + (step if turn == 2 else -step if turn == 3 else 0)
                    if y < 0 or x < 0 or y >= rows or x >= cols:
                        continue
                    u, v = out[y, x, 0], out[y, x, 1]
                    if u == dx and v == dy:
                        continue
                    found = _difference(now, key, i, j, u, v) + np.float32(MOVE_COST)
                    if found < least:
                        least, dx, dy = found, u, v
            cx, cy = dx, dy
            for turn in range(4):
                u = cx + np.float32(0.5 if turn == 0 else -0.5 if turn == 1 else 0)
                v = cy + np.float32(0.5 if turn == 2 else -0.5 if turn == 3 else 0)
                found = _difference(now, key, i, j, u, v) + np.float32(MOVE_COST)
                if found < least:
                    least, dx, dy = found, u, v
            out[i, j, 0], out[i, j, 1] = dx, dy


@njit(cache=True, nogil=True, fastmath=True)
def _gather(
    now: CellPicture,
    scores: CellScores,
    key: CellPicture,
    way: Displacement,
    share: np.float32,
    active: NDArray[np.bool_],
    weight: NDArray[np.float32],
    out: CellScores,
    most: NDArray[np.float32],
) -> None:  # pragma: no cover - compiled
    """Adds one key frame's scores, weighed, and the most that the weights could be."""
    rows, cols, lanes = out.shape
    kernel = np.empty((4, 4), np.float32)
    for i in range(rows):
        for j in range(cols):
            dx, dy = way[i, j, 0], way[i, j, 1]
            y, x = _nearest(i + dy, rows), _nearest(j + dx, cols)
            presence = scores[y, x, lanes - 1]
            if presence == 0:
                continue
            if active[i, j]:
                _weigh(now, key, i, j, dx, dy, share, weight, kernel)
                _add(scores, i, j, dx, dy, kernel, out[i, j])
                most[i, j] += 9 * share * presence
                continue
            for c in range(lanes):
                out[i, j, c] += share * scores[y, x, c]
            most[i, j] += share * presence


@njit(cache=True, nogil=True)
def _divide(out: CellScores) -> None:  # pragma: no cover - compiled
    rows, cols, lanes = out.shape
    for i in range(rows):
        for j in range(cols):
            one = np.float32(1) / out[i, j, lanes - 1]
            for c in range(lanes):
                out[i, j, c] *= one


@njit(cache=True, nogil=True, inline="always")
def _nearest(position: np.float32, size: int) -> int:  # pragma: no cover - compiled
    """The cell at a position, inside the map."""
    return min(max(int(np.rint(position)), 0), size - 1)


@njit(cache=True, nogil=True, fastmath=True)
def _weigh(
    now: CellPicture,
    key: CellPicture,
    i: int,
    j: int,
    dx: np.float32,
    dy: np.float32,
    share: np.float32,
    weight: NDArray[np.float32],
    kernel: NDArray[np.float32],
) -> None:  # pragma: no cover - compiled
    """Weights of the 4x4 cells around where (dx, dy) leads: 3x3 samples, each of four cells."""
    one = np.float32(1)
    fx, fy = dx - np.floor(dx), dy - np.floor(dy)
    kernel[:] = 0
    for a in range(3):
        for b in range(3):
            d = _difference(now, key, i, j, dx + np.float32(b - 1), dy + np.float32(a - 1))
            w = share * (weight[min(int(d * np.float32(8)), weight.shape[0] - 1)] + np.float32(1e-9))
            kernel[a, b] += w * (one - fy) * (one - fx)
            kernel[a, b + 1] += w * (one - fy) * fx
            kernel[a + 1, b] += w * fy * (one - fx)
            kernel[a + 1, b + 1] += w * fy * fx


@njit(cache=True, nogil=True, fastmath=True)
def _add(
    scores: CellScores,
    i: int,
    j: int,
    dx: np.float32,
    dy: np.float32,
    kernel: NDArray[np.float32],
    total: NDArray[np.float32],
) -> None:  # pragma: no cover - compiled
    """Adds the scores of the 4x4 cells, by their weights; borders replicate."""
    rows, cols, lanes = scores.shape
    top, left = i + int(np.floor(dy)) - 1, j + int(np.floor(dx)) - 1
    for a in range(4):
        y = min(max(top + a, 0), rows - 1)
        for b in range(4):
            k = kernel[a, b]
            if k == 0:
                continue
            x = min(max(left + b, 0), cols - 1)
            for c in range(lanes):
                total[c] += k * scores[y, x, c]


@njit(cache=True, nogil=True)
def _follow(
    now: CellPicture, classes: NDArray[np.int16], key: CellPicture, way: Displacement, out: NDArray[np.int16]
) -> None:  # pragma: no cover - compiled
    """The class where each cell comes from; -1 if it looks different there."""
    rows, cols = out.shape
    for i in range(rows):
        for j in range(cols):
            y, x = _nearest(i + way[i, j, 1], rows), _nearest(j + way[i, j, 0], cols)
            if classes[y, x] == ABSENT:
                out[i, j] = ABSENT
                continue
            difference = np.float32(0)
            for k in range(3):
                difference += abs(now[i, j, k] - key[y, x, k])
            out[i, j] = classes[y, x] if difference <= STRANGE else -1
