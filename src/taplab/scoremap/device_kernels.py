"""The formulas of ``cells``, ``matching``, ``gathering``, ``ffw`` and ``labels`` for a GPU, all cells at once.

Maps lie in memory as for the compiled kernels: pictures float32 ``[h, w, 4]``, scores ``[h, w, L]`` with the presence
behind the C classes, calm classes uint8 ``[h, w]``, displacements float32 ``[h, w, 2]``. A program takes BLOCK cells;
``cell`` are their numbers in reading order, ``inside`` those that exist.
"""

# ruff: noqa: N803  # constants of compilation
# mypy: disable-error-code="no-untyped-call,no-untyped-def,untyped-decorator,unused-ignore"
# Triton's language has no types that checkers know.

import triton
import triton.language as tl

from taplab.scoremap.cells import ABSENT as _ABSENT
from taplab.types import IGNORE as _IGNORE

IGNORE = tl.constexpr(_IGNORE)
ABSENT = tl.constexpr(_ABSENT)


@triton.jit
def _clamped(position, size):
    """Inside the map: 0..size - 1."""
    return tl.minimum(tl.maximum(position, 0), size - 1)


@triton.jit
def _nearest(position, size):
    return _clamped(tl.floor(position + 0.5).to(tl.int32), size)


@triton.jit
def _colours(picture, cell, inside):
    """``[BLOCK, 4]``: Y, U, V and nothing."""
    lane = tl.arange(0, 4)
    return tl.load(picture + cell[:, None] * 4 + lane[None, :], mask=inside[:, None], other=0.0)


@triton.jit
def _mixed(a, b, share):
    return a + (b - a) * share[:, None]


@triton.jit
def _difference(own, key, y, x, rows, cols, inside):
    """See ``cells.difference``: of the colours ``own`` and those at positions in the key frame's picture."""
    y, x = _clamped(y, rows), _clamped(x, cols)
    i, j = y.to(tl.int32), x.to(tl.int32)
    below, right = tl.minimum(i + 1, rows - 1), tl.minimum(j + 1, cols - 1)
    upper = _mixed(_colours(key, i * cols + j, inside), _colours(key, i * cols + right, inside), x - j)
    lower = _mixed(_colours(key, below * cols + j, inside), _colours(key, below * cols + right, inside), x - j)
    return tl.sum(tl.abs(own - _mixed(upper, lower, y - i)), axis=1)


@triton.jit
def _calm_there(own, calm, key, y, x, rows, cols, strange, inside):
    """The calm class of the cell nearest to a position; IGNORE if its colour is further away than ``strange``."""
    there = _nearest(y, rows) * cols + _nearest(x, cols)
    found = tl.load(calm + there, mask=inside, other=ABSENT).to(tl.int32)
    apart = tl.sum(tl.abs(own - _colours(key, there, inside)), axis=1)
    return tl.where((found == ABSENT) | (apart <= strange), found, IGNORE)


@triton.jit
def average(
    planes,
    out,
    rows,
    cols,
    height,
    width,
    half_height,
    half_width,
    DOWN: tl.constexpr,
    ACROSS: tl.constexpr,
    HALF_DOWN: tl.constexpr,
    HALF_ACROSS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """See ``cells.cell_picture``: the means over each cell of Y, U and V, uint8, which lie behind each other.

    Y is of ``[height, width]``, the others are of half of each, or as many. DOWN, ACROSS: pixels of the largest cell.
    """
    if tl.program_id(1) == 0:
        _averages(planes, out, rows, cols, height, width, DOWN, ACROSS, BLOCK)
    else:
        before = height * width + (tl.program_id(1) - 1) * half_height * half_width
        _averages(
            planes + before, out + tl.program_id(1), rows, cols, half_height, half_width, HALF_DOWN, HALF_ACROSS, BLOCK
        )


@triton.jit
def _averages(plane, out, rows, cols, height, width, DOWN: tl.constexpr, ACROSS: tl.constexpr, BLOCK: tl.constexpr):
    cell = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = cell < rows * cols
    i, j = cell // cols, cell % cols
    top, left = i * height // rows, j * width // cols
    down = tl.maximum((i + 1) * height // rows - top, 1)
    across = tl.maximum((j + 1) * width // cols - left, 1)
    total = tl.zeros([BLOCK], tl.int32)
    for k in range(DOWN * ACROSS):
        y, x = k // ACROSS, k % ACROSS
        there = inside & (y < down) & (x < across)
        total += tl.load(plane + (top + y) * width + left + x, mask=there, other=0).to(tl.int32)
    tl.store(out + 4 * cell, total.to(tl.float32) / (down * across), mask=inside)


@triton.jit
def compose(
    vectors, before, out, rows, cols, blocks, down, across, scale_y, scale_x, MOVED: tl.constexpr, BLOCK: tl.constexpr
):
    """See ``ffw.compose``. blocks: in a row of ``vectors``; down, across: blocks a cell; scales: cells a pixel."""
    cell = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = cell < rows * cols
    i, j = cell // cols, cell % cols
    block = ((i + 0.5) * down).to(tl.int32) * blocks + ((j + 0.5) * across).to(tl.int32)
    dx = tl.load(vectors + 2 * block, mask=inside, other=0.0) * scale_x
    dy = tl.load(vectors + 2 * block + 1, mask=inside, other=0.0) * scale_y
    if MOVED:
        there = _nearest(i + dy, rows) * cols + _nearest(j + dx, cols)
        dx += tl.load(before + 2 * there, mask=inside, other=0.0)
        dy += tl.load(before + 2 * there + 1, mask=inside, other=0.0)
    tl.store(out + 2 * cell, dx, mask=inside)
    tl.store(out + 2 * cell + 1, dy, mask=inside)


@triton.jit
def _down(k):
    """Of the direction ``k``, four in turn: down, up, and none for the two across."""
    return tl.where(k % 4 == 0, 1, 0) - tl.where(k % 4 == 1, 1, 0)


@triton.jit
def _better(own, key, i, j, u, v, least, dx, dy, cost, rows, cols, wanted):
    """The displacement (u, v), where it matches better by more than it costs."""
    found = _difference(own, key, i + v, j + u, rows, cols, wanted) + cost
    better = found < least
    return tl.where(better, found, least), tl.where(better, u, dx), tl.where(better, v, dy)


@triton.jit
def correct(now, calm, key, ways, out, rows, cols, doubt, enough, cost, HALVES: tl.constexpr, BLOCK: tl.constexpr):
    """See ``matching.refine``: one pass, in which cells offer what they had before it; half a cell beside at the last.

    Cells that lead well inside a class and to colours within ``doubt`` keep what they have.
    """
    cell = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = cell < rows * cols
    i, j = cell // cols, cell % cols
    own = _colours(now, cell, inside)
    dx = tl.load(ways + 2 * cell, mask=inside, other=0.0)
    dy = tl.load(ways + 2 * cell + 1, mask=inside, other=0.0)
    wanted = inside & (_calm_there(own, calm, key, i + dy, j + dx, rows, cols, doubt, inside) == IGNORE)
    least = _difference(own, key, i + dy, j + dx, rows, cols, wanted)
    wanted = wanted & (least > enough)
    for k in range(8):  # 1 and 4 cells away, in four directions; unrolled, it compiles for many seconds
        away = tl.where(k < 4, 1, 4)
        down, across = away * _down(k), away * _down(k - 2)
        other = (i + down >= 0) & (i + down < rows) & (j + across >= 0) & (j + across < cols) & wanted
        there = cell + down * cols + across
        u = tl.load(ways + 2 * there, mask=other, other=0.0)
        v = tl.load(ways + 2 * there + 1, mask=other, other=0.0)
        found, du, dv = _better(own, key, i, j, u, v, least, dx, dy, cost, rows, cols, other)
        least, dx, dy = tl.where(other, found, least), tl.where(other, du, dx), tl.where(other, dv, dy)
    if HALVES:
        u, v = dx, dy
        for k in range(4):
            beside, below = u + 0.5 * _down(k - 2), v + 0.5 * _down(k)
            found, du, dv = _better(own, key, i, j, beside, below, least, dx, dy, cost, rows, cols, wanted)
            least, dx, dy = tl.where(wanted, found, least), tl.where(wanted, du, dx), tl.where(wanted, dv, dy)
    tl.store(out + 2 * cell, dx, mask=inside)
    tl.store(out + 2 * cell + 1, dy, mask=inside)


@triton.jit
def settle(now, calm, key, ways, out, rows, cols, strange, FIRST: tl.constexpr, BLOCK: tl.constexpr):
    """See ``cells.settled``: takes in one key frame."""
    cell = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = cell < rows * cols
    y = cell // cols + tl.load(ways + 2 * cell + 1, mask=inside, other=0.0)
    x = cell % cols + tl.load(ways + 2 * cell, mask=inside, other=0.0)
    found = _calm_there(_colours(now, cell, inside), calm, key, y, x, rows, cols, strange, inside)
    if not FIRST:
        before = tl.load(out + cell, mask=inside, other=IGNORE).to(tl.int32)
        found = tl.where((found == before) | (found == ABSENT), before, IGNORE)
    tl.store(out + cell, found.to(tl.uint8), mask=inside)


@triton.jit
def _scores(scores, cell, lane, lanes, wanted):
    """``[BLOCK, LANES]`` of the cells."""
    held = wanted[:, None] & (lane[None, :] < lanes)
    return tl.load(scores + cell[:, None] * lanes + lane[None, :], mask=held, other=0.0)


@triton.jit
def _sampled(scores, y, x, lane, lanes, rows, cols, wanted):
    """Scores at positions, bilinear; borders replicate."""
    y, x = _clamped(y, rows), _clamped(x, cols)
    i, j = y.to(tl.int32), x.to(tl.int32)
    below, right = tl.minimum(i + 1, rows - 1), tl.minimum(j + 1, cols - 1)
    upper = _mixed(
        _scores(scores, i * cols + j, lane, lanes, wanted),
        _scores(scores, i * cols + right, lane, lanes, wanted),
        x - j,
    )
    lower = _mixed(
        _scores(scores, below * cols + j, lane, lanes, wanted),
        _scores(scores, below * cols + right, lane, lanes, wanted),
        x - j,
    )
    return _mixed(upper, lower, y - i)


@triton.jit
def gather(
    now,
    scores,
    key,
    ways,
    settled,
    out,
    match,
    spoken,
    rows,
    cols,
    lanes,
    classes,
    share,
    spread,
    FIRST: tl.constexpr,
    LAST: tl.constexpr,
    LANES: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """See ``gathering.gather``: adds one key frame, and divides by the weights after the last one.

    settled: cells whose class is known (not IGNORE) take the scores that the displacement leads to, without comparison.
    """
    cell = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = cell < rows * cols
    lane = tl.arange(0, LANES)
    y = cell // cols + tl.load(ways + 2 * cell + 1, mask=inside, other=0.0)
    x = cell % cols + tl.load(ways + 2 * cell, mask=inside, other=0.0)
    there = _nearest(y, rows) * cols + _nearest(x, cols)
    presence = tl.load(scores + there * lanes + classes, mask=inside, other=0.0)
    present = inside & (presence > 0)
    active = present & (tl.load(settled + cell, mask=inside, other=0).to(tl.int32) == IGNORE)
    calm = present & (active == 0)
    own = _colours(now, cell, active)
    total = _scores(scores, there, lane, lanes, calm) * share
    weights = tl.zeros([BLOCK], tl.float32)
    for k in range(9):
        v, u = y + (k // 3 - 1), x + (k % 3 - 1)
        weight = share * (tl.exp(-_difference(own, key, v, u, rows, cols, active) / spread) + 1e-9)
        weights += weight
        total += weight[:, None] * _sampled(scores, v, u, lane, lanes, rows, cols, active)
    good = tl.where(present, presence * tl.where(active, weights / 9, share), 0.0)
    said = tl.where(present, presence * share, 0.0)
    held = inside[:, None] & (lane[None, :] < lanes)
    places = cell[:, None] * lanes + lane[None, :]
    if not FIRST:
        total += tl.load(out + places, mask=held, other=0.0)
        good += tl.load(match + cell, mask=inside, other=0.0)
        said += tl.load(spoken + cell, mask=inside, other=0.0)
    if LAST:
        there = tl.sum(tl.where(lane[None, :] == classes, total, 0.0), axis=1)
        total = total / tl.where(inside, there, 1.0)[:, None]
        good = tl.minimum(good / tl.where(inside, said, 1.0), 1.0)
    tl.store(out + places, total, mask=held)
    tl.store(match + cell, good, mask=inside)
    if not LAST:
        tl.store(spoken + cell, said, mask=inside)


@triton.jit
def label(
    scores, out, rows, cols, height, width, of_class, of_row, of_column, CLASSES: tl.constexpr, BLOCK: tl.constexpr
):
    """Argmax of scores upsampled bilinearly (half-pixel centres), see ``labels``: uint8 ``[height, width]``.

    A program takes BLOCK pixels. of_class, of_row, of_column: strides of the scores.
    """
    pixel = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = pixel < height * width
    y = _clamped((pixel // width + 0.5) * rows / height - 0.5, rows)
    x = _clamped((pixel % width + 0.5) * cols / width - 0.5, cols)
    i, j = y.to(tl.int32), x.to(tl.int32)
    top, bottom = i * of_row, tl.minimum(i + 1, rows - 1) * of_row
    left, right = j * of_column, tl.minimum(j + 1, cols - 1) * of_column
    most, best = tl.full([BLOCK], float("-inf"), tl.float32), tl.zeros([BLOCK], tl.int32)
    for c in range(CLASSES):
        plane = scores + c * of_class
        a = tl.load(plane + top + left, mask=inside, other=0.0).to(tl.float32)
        b = tl.load(plane + top + right, mask=inside, other=0.0).to(tl.float32)
        d = tl.load(plane + bottom + left, mask=inside, other=0.0).to(tl.float32)
        e = tl.load(plane + bottom + right, mask=inside, other=0.0).to(tl.float32)
        upper, lower = a + (b - a) * (x - j), d + (e - d) * (x - j)
        value = upper + (lower - upper) * (y - i)
        better = value > most
        most, best = tl.where(better, value, most), tl.where(better, c, best)
    tl.store(out + pixel, best.to(tl.uint8), mask=inside)
