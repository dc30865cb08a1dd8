"""What is compared and mixed at the size of the score map: a frame's colours, key frames' probabilities and classes.

Colours and probabilities of a cell lie side by side, so that kernels take them as whole vectors (``simd``).
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from taplab.compiled import njit
from taplab.scoremap.simd import Vector, distance, first4, last4, load4, load8, mixed
from taplab.types import IGNORE, CodedFrame, Labels, Plane
from taplab.video.planes import yuv_planes

Displacement = NDArray[np.float32]  # [h, w, 2], (dx, dy) in score cells, from a cell to its origin
CellPicture = NDArray[np.float32]  # [h, w, 4], mean Y, U and V of each score cell, and nothing
CellScores = NDArray[np.float32]  # [h, w, L]: probabilities of C classes, presence, zeros; L as of ``lanes``

ABSENT = 254  # in place of a class, where the presence is 0
STRANGE = 30.0  # grey levels, summed over Y, U and V: beyond this a cell is compared wherever it comes from


def cell_picture(picture: av.VideoFrame, cells: tuple[int, int]) -> CellPicture:
    """The mean colour of each score cell."""
    out = np.zeros((*cells, 4), np.float32)
    for k, plane in enumerate(yuv_planes(picture)):
        vertical, horizontal, halvings, number = _division(plane.shape, cells)
        _average(_whole_rows(plane), vertical, horizontal, halvings, np.empty((2, plane.shape[1]), number), k, out)
    return out


def colours(frame: CodedFrame, cells: tuple[int, int]) -> CellPicture:
    """The same of a frame, kept until somebody sets ``frame.colours`` to None."""
    found: CellPicture | None = frame.colours
    if found is None or found.shape[:2] != cells:
        found = frame.colours = cell_picture(frame.picture, cells)
    return found


def lanes(classes: int) -> int:
    """Values that are kept of a cell: one for each class and one for its presence, in whole vectors of eight."""
    return (classes // 8 + 1) * 8


def padded(probabilities: Tensor, presence: Tensor | None = None) -> CellScores:
    """Of ``[C, h, w]``, float32. The lane behind the classes is 1: the presence of the cell in what the network saw.

    presence: ``[h, w]`` in 0..1 where it saw a region only; all is multiplied by it. Gathered scores are divided by the
    gathered presence.
    """
    planes = probabilities.float().cpu().contiguous().numpy()
    classes, rows, columns = planes.shape
    out = np.empty((rows, columns, lanes(classes)), np.float32)
    _interleave(planes, out)
    if presence is not None:
        out *= presence.numpy()[..., None]
    return out


def calm(best: Labels) -> Labels:
    """The class of cells that have it all around, ABSENT where that is in its place, IGNORE elsewhere; ``[h, w]``."""
    out = np.empty_like(best)
    _calm(best, out)
    out[best == ABSENT] = ABSENT
    return out


def settled(
    now: CellPicture, sides: Sequence[tuple[Labels, CellPicture, Displacement]], strange: float = STRANGE
) -> Labels:
    """The class of cells that all displacements lead to one calm class for, and to no strange colour; or IGNORE.

    A side: the calm classes of a key frame (see ``calm``), its picture and the displacement to it; the first is present
    everywhere. ``[h, w]``.
    """
    out = np.empty(now.shape[:2], np.uint8)
    for k, (classes, key, way) in enumerate(sides):
        _follow(now, classes, key, way, np.float32(strange), k == 0, out)
    return out


def paired(picture: CellPicture) -> CellPicture:
    """With at least two rows and columns, as ``difference`` wants it; borders replicate."""
    rows, columns = picture.shape[:2]
    if rows > 1 and columns > 1:
        return picture
    return np.pad(picture, ((0, int(rows == 1)), (0, int(columns == 1)), (0, 0)), mode="edge")


@njit(cache=True, nogil=True, inline="always")
def _place(position: np.float32, size: int) -> tuple[int, np.float32]:  # pragma: no cover - compiled
    """The first of the two cells around a position, inside the map, and the share of the second."""
    position = min(max(position, np.float32(0)), np.float32(size - 1))
    first = min(int(position), size - 2)
    return first, position - np.float32(first)


@njit(cache=True, nogil=True, fastmath=True)
def difference(
    own: Vector, key: NDArray[np.float32], rows: int, cols: int, y: np.float32, x: np.float32
) -> np.float32:  # pragma: no cover - compiled
    """Sum over Y, U, V of the difference between a cell's colour and that of a (flat) key picture at a position."""
    i, fy = _place(y, rows)
    j, fx = _place(x, cols)
    at = (i * cols + j) * 4
    both = mixed(load8(key, at), load8(key, at + cols * 4), fy)  # two cells side by side
    found: np.float32 = distance(own, mixed(first4(both), last4(both), fx))
    return found


def differences(now: CellPicture, key: CellPicture, displacement: Displacement) -> NDArray[np.float32]:
    """How far each cell's colour is from that where it comes from: summed over Y, U and V, ``[h, w]``."""
    out = np.empty(now.shape[:2], np.float32)
    _compare(now, paired(key), displacement, out)
    return out


def _whole_rows(plane: Plane) -> Plane:
    """With what fills its rows up in memory: the compiler must see that it is contiguous."""
    if plane.strides[1] != 1 or plane.strides[0] < plane.shape[1]:
        return np.ascontiguousarray(plane)
    return np.lib.stride_tricks.as_strided(plane, (plane.shape[0], plane.strides[0]), writeable=False)


@lru_cache(maxsize=64)
def _division(
    pixels: tuple[int, int], cells: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64], int, type[np.unsignedinteger[Any]]]:
    """Of a plane: edges of rows and of columns of cells, halvings of columns before, and what numbers hold sums."""
    halvings = _halvings(pixels[1], cells[1])
    vertical, horizontal = _edges(pixels[0], cells[0]), _edges(pixels[1] >> halvings, cells[1])
    most = 255 * int(np.ptp(vertical, axis=0).max() * np.ptp(horizontal, axis=0).max()) << halvings
    return vertical, horizontal, halvings, np.uint16 if most < 2**16 else np.uint32


def _halvings(pixels: int, cells: int) -> int:
    """How often can pairs of pixels be joined, so that each lies in one cell?"""
    count = 0
    while pixels % (2 << count) == 0 and (pixels >> (count + 1)) % cells == 0:
        count += 1
    return count


def _edges(pixels: int, cells: int) -> NDArray[np.int64]:
    """First pixel of each cell and the end of the last pixel, at least one on, ``[2, cells]``."""
    first = np.arange(cells) * pixels // cells
    return np.stack([first, np.maximum(np.arange(1, cells + 1) * pixels // cells, first + 1)])


@njit(cache=True, nogil=True)
def _average(
    plane: Plane,
    vertical: NDArray[np.int64],
    horizontal: NDArray[np.int64],
    halvings: int,
    sums: NDArray[np.uint32],
    channel: int,
    out: CellPicture,
) -> None:  # pragma: no cover - compiled
    """Sums rows, then pairs of columns, as often as these fit into cells: whole rows at once vectorise."""
    rows, cols = out.shape[:2]
    left, right = horizontal
    for i in range(rows):
        top, bottom = vertical[0, i], vertical[1, i]
        columns, other, width = sums[0], sums[1], sums.shape[1]
        columns[:] = 0
        for y in range(top, bottom):
            for x in range(width):
                columns[x] += plane[y, x]
        for _ in range(halvings):
            width //= 2
            for x in range(width):
                other[x] = columns[2 * x] + columns[2 * x + 1]
            columns, other = other, columns
        pixels = np.float32((bottom - top) << halvings)
        if width == cols:  # vectorises
            for j in range(cols):
                out[i, j, channel] = np.float32(columns[j]) / pixels
            continue
        for j in range(cols):
            total = np.uint32(0)
            for x in range(left[j], right[j]):
                total += columns[x]
            out[i, j, channel] = np.float32(total) / (pixels * np.float32(right[j] - left[j]))


@njit(cache=True, nogil=True)
def _interleave(planes: NDArray[np.float32], out: CellScores) -> None:  # pragma: no cover - compiled
    classes, rows, cols = planes.shape
    for i in range(rows):
        out[i] = 0
        out[i, :, classes] = 1
        for c in range(classes):
            for j in range(cols):
                out[i, j, c] = planes[c, i, j]


@njit(cache=True, nogil=True)
def _calm(best: Labels, out: Labels) -> None:  # pragma: no cover - compiled
    rows, cols = best.shape
    alike = np.empty(cols, np.uint8)  # the class of a cell that those above and below have, too
    for i in range(rows):
        above, own, below = best[max(i - 1, 0)], best[i], best[min(i + 1, rows - 1)]
        for j in range(cols):
            alike[j] = own[j] if (own[j] == above[j]) & (own[j] == below[j]) else IGNORE
        for j in range(cols):
            left, right = alike[max(j - 1, 0)], alike[min(j + 1, cols - 1)]
            out[i, j] = alike[j] if (alike[j] == left) & (alike[j] == right) else IGNORE


@njit(cache=True, nogil=True, inline="always")
def origins(way: NDArray[np.float32], i: int, rows: int, out: NDArray[np.int32]) -> None:  # pragma: no cover - compiled
    """The cell nearest to where each of row ``i`` comes from, counted through the map; a loop that vectorises.

    Also of what is far outside, or no number.
    """
    cols, zero, far = np.int32(len(out)), np.int32(0), np.float32(1e9)
    for j in range(len(out)):
        y = np.int32(min(max(np.rint(np.float32(i) + way[j, 1]), -far), far))
        x = np.int32(min(max(np.rint(np.float32(j) + way[j, 0]), -far), far))
        out[j] = min(max(y, zero), np.int32(rows - 1)) * cols + min(max(x, zero), cols - np.int32(1))


@njit(cache=True, nogil=True)
def _follow(
    now: CellPicture,
    classes: Labels,
    key: CellPicture,
    way: Displacement,
    strange: np.float32,
    first: bool,
    out: Labels,
) -> None:  # pragma: no cover - compiled
    """The class where each cell comes from, if that is what the sides before found; IGNORE if not."""
    rows, cols = out.shape
    here, there, known = now.reshape(-1), key.reshape(-1), classes.reshape(-1)
    origin = np.empty(cols, np.int32)
    for i in range(rows):
        origins(way[i], i, rows, origin)
        for j in range(cols):
            found, before = known[origin[j]], out[i, j]
            alike = distance(load4(here, (i * cols + j) * 4), load4(there, origin[j] * 4)) <= strange
            if first:
                out[i, j] = found if alike else IGNORE
            elif found != ABSENT:
                out[i, j] = found if alike & (found == before) else IGNORE


@njit(cache=True, nogil=True)
def _compare(
    now: CellPicture, key: CellPicture, way: Displacement, out: NDArray[np.float32]
) -> None:  # pragma: no cover - compiled
    rows, cols = out.shape
    height, width = key.shape[:2]
    here, there = now.reshape(-1), key.reshape(-1)
    for i in range(rows):
        for j in range(cols):
            y, x = np.float32(i) + way[i, j, 1], np.float32(j) + way[i, j, 0]
            out[i, j] = difference(load4(here, (i * cols + j) * 4), there, height, width, y, x)
