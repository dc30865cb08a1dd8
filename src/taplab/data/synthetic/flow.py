"""The drive's true optical flow: where each visible point was a moment earlier, from the geometry alone.

The scene is drawn a second time, with the number of each moving part in place of its class. A part is a box, a
card or one stroke of a figure: limbs swing, so each has a motion of its own. Wheels count as fixed to their car. Sky
and skyline lie at infinity: they move as the camera turns.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from taplab.data.synthetic.canvas import NEAR, Canvas
from taplab.data.synthetic.cards import draw_cards
from taplab.data.synthetic.parts import STICKS, Model, Table, merged, near_first
from taplab.data.synthetic.sampling import noise_tile
from taplab.data.synthetic.solids import draw_solids
from taplab.data.synthetic.street import Neighbourhood, still_things, visible
from taplab.data.synthetic.traffic import movers
from taplab.data.synthetic.view import CameraPath, Light, View

Vectors = NDArray[np.float32]  # [H, W, 2], (dx, dy) in pixels
Mask = NDArray[np.bool_]  # [H, W]
Floats = NDArray[np.float64]

AT_INFINITY = 1e9  # metres, of the sky
SAME_DEPTH = 0.01  # share of the depth by which two looks at one surface may differ


class Scene(NamedTuple):
    """What a drive is made of, and the size of its pictures."""

    place: Neighbourhood
    path: CameraPath
    light: Light
    height: int
    width: int


class _Frames(NamedTuple):
    """Where each moving part is: number 0 stands for all that is still."""

    origin: Floats  # [N, 3], world
    axes: Floats  # [N, 2, 2], columns: its own two directions across the street and up


def true_flow(scene: Scene, time: float, earlier: float) -> Vectors:
    """Displacement of each pixel from the picture at ``time`` to that at ``earlier``."""
    column, row, _ = _places_before(scene, time, earlier)
    flow = np.stack([column - np.arange(scene.width), row - np.arange(scene.height)[:, None]], axis=-1)
    return flow.astype(np.float32)


def seen_before(scene: Scene, time: float, earlier: float) -> Mask:
    """Whether what a pixel shows at ``time`` was in the picture at ``earlier``, with nothing nearer in front of it.

    To half a pixel: 1 / depth is linear across a flat surface, so it is interpolated; at edges the nearest one counts.
    """
    column, row, ahead = _places_before(scene, time, earlier)
    view = scene.path.view(earlier, scene.height, scene.width)
    there = _exploded(merged(mover(earlier) for mover in movers(scene.place, scene.path, earlier)))
    inverse = 1 / _draw(scene, view, there)[0]
    width, height = scene.width, scene.height
    inside = (column > -0.5) & (column < width - 0.5) & (row > -0.5) & (row < height - 0.5)
    x, y = np.clip(column, 0, width - 1), np.clip(row, 0, height - 1)
    nearest = inverse[np.rint(y).astype(int), np.rint(x).astype(int)]
    away = np.minimum(np.abs(1 / ahead - nearest), np.abs(1 / ahead - _bilinear(inverse, x, y)))
    seen: Mask = inside & (away <= SAME_DEPTH / ahead + 1e-6)
    return seen


def _places_before(scene: Scene, time: float, earlier: float) -> tuple[Floats, Floats, Floats]:
    """Column, row and metres ahead [H, W], at ``earlier``, of what each pixel shows at ``time``."""
    moving = movers(scene.place, scene.path, time)
    now, before = (_exploded(merged(mover(t) for mover in moving)) for t in (time, earlier))
    view, view_before = (scene.path.view(t, scene.height, scene.width) for t in (time, earlier))
    depth, part = _draw(scene, view, now)
    points = _position(view) + depth[..., None] * _rays(view, scene.height, scene.width)
    return _project(view_before, _moved(points, part, _frames(now), _frames(before)))


def _exploded(things: Model) -> Model:
    """Every stroke on a card of its own, the front one first; solids and cards labelled 1, 2, ..."""
    counts = np.where(things.cards["shape"] == STICKS, things.cards["count"], 1)
    cards = np.repeat(things.cards, counts)
    cards["first"] += np.arange(len(cards)) - np.repeat(np.cumsum(counts) - counts, counts)
    cards["count"] = 1
    things = things._replace(solids=things.solids.copy(), cards=cards[::-1].copy())
    things.solids["label"] = 1 + np.arange(len(things.solids))
    things.cards["label"] = 1 + len(things.solids) + np.arange(len(cards))
    return things


def _frames(things: Model) -> _Frames:
    """Of the solids and cards of an exploded model, in the order of their labels."""
    solids, cards = things.solids, things.cards
    strokes = things.sticks[np.minimum(cards["first"], len(things.sticks) - 1)] if len(cards) else things.sticks
    is_stroke = cards["shape"] == STICKS
    origin = np.zeros((1 + len(solids) + len(cards), 3))
    origin[1 : 1 + len(solids)] = _columns(solids, "x", "base", "z")
    origin[1 + len(solids) :] = _columns(cards, "x", "base", "z")
    origin[1 + len(solids) :, :2] += _columns(strokes, "u0", "v0") * is_stroke[:, None]
    axes = np.tile(np.eye(2), (len(origin), 1, 1))
    along = _columns(strokes, "u1", "v1") - _columns(strokes, "u0", "v0")
    length = np.hypot(along[:, 0], along[:, 1])
    straight = is_stroke & (strokes["ring"] == 0) & (length > 0)
    k = 1 + len(solids) + np.flatnonzero(straight)
    axes[k, :, 0] = along[straight]  # as long as the stroke: one that shortens takes its points along
    axes[k, :, 1] = np.stack([-along[:, 1], along[:, 0]], axis=-1)[straight] / length[straight, None]
    return _Frames(origin, axes)


def _columns(table: Table, *names: str) -> Floats:
    return np.stack([table[name] for name in names], axis=-1)


def _draw(scene: Scene, view: View, moving: Model) -> tuple[Floats, NDArray[np.uint16]]:
    """Metres along the optical axis, and the number of the part [H, W]."""
    still = still_things(scene.place, *visible(scene.place, view.z))
    still = still._replace(solids=still.solids.copy(), cards=still.cards.copy())
    still.solids["label"] = still.cards["label"] = 0
    things = near_first(merged([still, moving]))
    shape = (scene.height, scene.width)
    depth: NDArray[np.float32] = np.full(shape, AT_INFINITY, np.float32)
    part: NDArray[np.uint16] = np.zeros(shape, np.uint16)
    canvas = Canvas(np.empty((*shape, 3), np.float32), depth, part)
    tile = noise_tile()
    draw_cards(canvas, tile, view, scene.light, things.cards, things.sticks)
    draw_solids(canvas, tile, view, scene.light, things.solids)
    down = -_rays(view, *shape)[..., 1]
    ground: Floats = np.where(down > 0.0005, view.y / np.maximum(down, 0.0005), AT_INFINITY)
    return np.where(depth < 1e8, depth, ground), part


def _position(view: View) -> Floats:
    return np.array([view.x, view.y, view.z])


def _axes(view: View) -> Floats:
    """Right, up and forward as rows [3, 3]."""
    return np.array([[view.rx, view.ry, view.rz], [view.ux, view.uy, view.uz], [view.fx, view.fy, view.fz]])


def _rays(view: View, height: int, width: int) -> Floats:
    """World directions of the pixel centres [H, W, 3], one metre long along the optical axis."""
    right, up, forward = _axes(view)
    a = (np.arange(width) + 0.5 - view.column) / view.focal
    b = (view.row - np.arange(height) - 0.5) / view.focal
    rays: Floats = forward + a[None, :, None] * right + b[:, None, None] * up
    return rays


def _moved(points: Floats, part: NDArray[np.uint16], now: _Frames, before: _Frames) -> Floats:
    """World points [H, W, 3] of moving parts, where they were before."""
    turn = before.axes @ np.linalg.inv(now.axes)
    local = points - now.origin[part]
    local[..., :2] = np.einsum("hwij,hwj->hwi", turn[part], local[..., :2])
    return before.origin[part] + local


def _project(view: View, points: Floats) -> tuple[Floats, Floats, Floats]:
    """Column and row, counted from the first pixel's centre, and metres ahead, each [H, W]."""
    right, up, ahead = np.moveaxis((points - _position(view)) @ _axes(view).T, -1, 0)
    ahead = np.maximum(ahead, 0.1 * NEAR)
    column = view.column + view.focal * right / ahead - 0.5
    row = view.row - view.focal * up / ahead - 0.5
    return column, row, ahead


def _bilinear(values: Floats, x: Floats, y: Floats) -> Floats:
    left, top = np.minimum(x.astype(int), values.shape[1] - 2), np.minimum(y.astype(int), values.shape[0] - 2)
    fx, fy = x - left, y - top
    upper = values[top, left] * (1 - fx) + values[top, left + 1] * fx
    lower = values[top + 1, left] * (1 - fx) + values[top + 1, left + 1] * fx
    between: Floats = upper * (1 - fy) + lower * fy
    return between
