r"""Mixing what key frames say of a frame: how far are their scores to be trusted, cell by cell?

The key frames' scores around the place where a cell comes from (``matching``) are weighed by how well the pictures
match there, at the size of the score map::

    F_t[p] = sum_k sum_q w_k[q] F_k[q] / sum_k sum_q w_k[q],    w_k[q] = share_k exp(-|I_t[p] - I_k[q]| / SPREAD)

over the key frames k and the 3x3 cells q around ``p + displacement``: what differs counts little, wherever it went.
A key frame of which the network saw a region has nothing to say outside it: its *presence* there is 0, and weights as
well as scores are multiplied by it.
Cells that come from well inside one class, in all key frames, and look about as there, need none of this
(``cells.settled``).
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from taplab.compiled import njit
from taplab.scoremap.cells import CellPicture, CellScores, Displacement
from taplab.scoremap.simd import Vector, add_scaled, distance, load4, load8, mixed, store, vector4
from taplab.types import Labels

Mapped = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]  # map, or that of a pool of threads

SPREAD = 3.0  # grey levels, summed over Y, U and V: difference at which a match counts 1 / e
_STEPS = 2048  # entries of the table of weights, 8 for a grey level
_WEIGHT = np.exp(-np.arange(_STEPS, dtype=np.float32) / (8 * SPREAD))


class Mixture(NamedTuple):
    """What ``gather`` made of the key frames; where a cell was not wanted, nothing is said of it.

    scores: ``[h, w, L]``, probabilities. best: their argmax, ``[h, w]``. match: ``[h, w]`` in 0..1, the mean weight, 1
    where nothing was compared.
    """

    scores: CellScores
    best: Labels
    match: NDArray[np.float32]
    colours: CellPicture | None = None  # of the frame


def gather(
    now: CellPicture,
    sides: Sequence[tuple[CellScores, CellPicture, Displacement, float]],
    classes: int,
    active: NDArray[np.bool_],
    wanted: NDArray[np.bool_],
    mapped: Mapped = map,
) -> Mixture:
    """Scores from some key frames, each with its picture, the displacement to it and its share.

    One of them at least is present everywhere.
    Cells that are not ``active`` take those of the cells that the displacements lead to, without comparison. mapped:
    how a function is called on both halves of the picture, so that threads can share them.
    """
    scores, keys, ways, shares = zip(*sides, strict=True)
    out, best = np.empty_like(scores[0]), np.empty(active.shape, np.uint8)
    match = np.empty(active.shape, np.float32)
    weight = np.array(shares, np.float32)
    middle = active.shape[0] // 2

    def half(rows: tuple[int, int]) -> None:
        _gather(now, scores, keys, ways, weight, rows, classes, active, wanted, _WEIGHT, out, best, match)

    for _ in mapped(half, ((0, middle), (middle, active.shape[0]))):
        pass
    return Mixture(out, best, match, now)


@njit(cache=True, nogil=True, fastmath=True)
def _gather(
    now: CellPicture,
    scores: tuple[CellScores, ...],
    keys: tuple[CellPicture, ...],
    ways: tuple[Displacement, ...],
    shares: NDArray[np.float32],
    span: tuple[int, int],
    classes: int,
    active: NDArray[np.bool_],
    wanted: NDArray[np.bool_],
    table: NDArray[np.float32],
    out: CellScores,
    best: Labels,
    match: NDArray[np.float32],
) -> None:  # pragma: no cover - compiled
    """Some rows, each from all key frames before the next one: it stays in the cache."""
    kernel = np.empty(16, np.float32)
    spoken = np.empty(active.shape[1], np.float32)  # shares of what is present, summed
    for i in range(span[0], span[1]):
        spoken[:] = 0
        for j in range(active.shape[1]):
            if wanted[i, j]:
                out[i, j] = 0
                match[i, j] = 0
        for k in range(len(ways)):
            one = scores[k], keys[k], ways[k], shares[k]
            _add_row(now, i, one, classes, active[i], wanted[i], table, kernel, out, match[i], spoken)
        for j in range(active.shape[1]):
            if wanted[i, j]:
                _normalise(out[i, j], classes)
                best[i, j] = _best(out[i, j], classes)
                match[i, j] = min(match[i, j] / spoken[j], np.float32(1))


@njit(cache=True, nogil=True, fastmath=True)
def _add_row(
    now: CellPicture,
    i: int,
    side: tuple[CellScores, CellPicture, Displacement, np.float32],
    classes: int,
    active: NDArray[np.bool_],
    wanted: NDArray[np.bool_],
    table: NDArray[np.float32],
    kernel: NDArray[np.float32],
    out: CellScores,
    match: NDArray[np.float32],
    spoken: NDArray[np.float32],
) -> None:  # pragma: no cover - compiled
    """Adds one key frame's scores, and the mean of what they were weighed with."""
    scores, key, way, share = side
    rows, cols, lanes = scores.shape
    here, there, flat, sums = now.reshape(-1), key.reshape(-1), scores.reshape(-1), out.reshape(-1)
    for j in range(cols):
        if not wanted[j]:
            continue
        cell = i * cols + j
        dx, dy = way[i, j, 0], way[i, j, 1]
        y = min(max(int(np.rint(i + dy)), 0), rows - 1)
        x = min(max(int(np.rint(j + dx)), 0), cols - 1)
        presence = scores[y, x, classes]
        if presence == 0:
            continue
        spoken[j] += share * presence
        if active[j]:
            weight = _weigh(load4(here, cell * 4), there, rows, cols, i, j, dx, dy, share, table, kernel)
            match[j] += weight * presence
            _add(flat, rows, cols, lanes, i, j, dx, dy, kernel, sums)
            continue
        for c in range(0, lanes, 8):
            at = cell * lanes + c
            store(sums, at, add_scaled(load8(sums, at), load8(flat, (y * cols + x) * lanes + c), share))
        match[j] += share * presence


@njit(cache=True, nogil=True, inline="always")
def _normalise(scores: NDArray[np.float32], classes: int) -> None:  # pragma: no cover - compiled
    """Divides by the sum of the weights of what is there, which the lane behind the classes has gathered."""
    one = np.float32(1) / scores[classes]
    for c in range(len(scores)):
        scores[c] *= one


@njit(cache=True, nogil=True, inline="always")
def _best(scores: NDArray[np.float32], classes: int) -> int:  # pragma: no cover - compiled
    most, label = scores[0], 0
    for c in range(1, classes):
        if scores[c] > most:
            most, label = scores[c], c
    return label


@njit(cache=True, nogil=True, fastmath=True)
def _weigh(
    own: Vector,
    key: NDArray[np.float32],
    rows: int,
    cols: int,
    i: int,
    j: int,
    dx: np.float32,
    dy: np.float32,
    share: np.float32,
    table: NDArray[np.float32],
    kernel: NDArray[np.float32],
) -> np.float32:  # pragma: no cover - compiled
    """Weights of the 4x4 cells around where (dx, dy) leads, and a ninth of their sum.

    3x3 samples, each of four cells; the samples' rows are mixed from those of the cells as they come.
    """
    down, right = int(np.floor(dy)), int(np.floor(dx))
    fy, fx = dy - np.float32(down), dx - np.float32(right)
    x0 = min(max(j + right - 1, 0), cols - 1) * 4
    x1 = min(max(j + right, 0), cols - 1) * 4
    x2 = min(max(j + right + 1, 0), cols - 1) * 4
    x3 = min(max(j + right + 2, 0), cols - 1) * 4
    left = upper = after = own  # the row above, at the three samples
    spread = weights = vector4(np.float32(0), np.float32(0), np.float32(0), np.float32(0))
    total = np.float32(0)
    for a in range(4):
        row = min(max(i + down - 1 + a, 0), rows - 1) * cols * 4
        c0, c1, c2, c3 = load4(key, row + x0), load4(key, row + x1), load4(key, row + x2), load4(key, row + x3)
        s0, s1, s2 = mixed(c0, c1, fx), mixed(c1, c2, fx), mixed(c2, c3, fx)
        if a > 0:
            w0 = _weight(distance(own, mixed(left, s0, fy)), share, table)
            w1 = _weight(distance(own, mixed(upper, s1, fy)), share, table)
            w2 = _weight(distance(own, mixed(after, s2, fy)), share, table)
            total += w0 + w1 + w2
            g0, g1, g2 = w0 * fx, w1 * fx, w2 * fx
            spread = vector4(w0 - g0, w1 - g1 + g0, w2 - g2 + g1, g2)  # of these samples over the cells of a row
            store(kernel, (a - 1) * 4, mixed(spread, weights, fy))
            weights = spread
        left, upper, after = s0, s1, s2
    nothing = vector4(np.float32(0), np.float32(0), np.float32(0), np.float32(0))
    store(kernel, 12, mixed(nothing, weights, fy))
    return total * np.float32(1 / 9)


@njit(cache=True, nogil=True, inline="always")
def _weight(
    difference: np.float32, share: np.float32, table: NDArray[np.float32]
) -> np.float32:  # pragma: no cover - compiled
    weight: np.float32 = share * (table[min(int(difference * np.float32(8)), len(table) - 1)] + np.float32(1e-9))
    return weight


@njit(cache=True, nogil=True, fastmath=True)
def _add(
    scores: NDArray[np.float32],
    rows: int,
    cols: int,
    lanes: int,
    i: int,
    j: int,
    dx: np.float32,
    dy: np.float32,
    kernel: NDArray[np.float32],
    sums: NDArray[np.float32],
) -> None:  # pragma: no cover - compiled
    """Adds the scores of the 4x4 cells, by their weights; borders replicate."""
    top, left = i + int(np.floor(dy)) - 1, j + int(np.floor(dx)) - 1
    x0, x1 = min(max(left, 0), cols - 1) * lanes, min(max(left + 1, 0), cols - 1) * lanes
    x2, x3 = min(max(left + 2, 0), cols - 1) * lanes, min(max(left + 3, 0), cols - 1) * lanes
    for c in range(0, lanes, 8):
        at = (i * cols + j) * lanes + c
        total = load8(sums, at)
        for a in range(4):
            row = min(max(top + a, 0), rows - 1) * cols * lanes + c
            total = add_scaled(total, load8(scores, row + x0), kernel[4 * a])
            total = add_scaled(total, load8(scores, row + x1), kernel[4 * a + 1])
            total = add_scaled(total, load8(scores, row + x2), kernel[4 * a + 2])
            total = add_scaled(total, load8(scores, row + x3), kernel[4 * a + 3])
        store(sums, at, total)
