"""Drawing of flat upright shapes: people, bicycles, poles, signs, tree crowns."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from taplab.data.synthetic.canvas import FAR, NEAR, Canvas, Points, covered_window, from_camera, put
from taplab.data.synthetic.parts import CROWN, DISC, STICKS, TRIANGLE
from taplab.data.synthetic.sampling import chance, kernel, mix, noise, routine
from taplab.data.synthetic.solids import hazed
from taplab.data.synthetic.view import Light, View

Tile = NDArray[np.float32]
Colour = tuple[float, float, float]
OUTSIDE = (-1.0, 0.0, 0.0)
BLOBS = 7  # round tufts of a tree crown


@kernel
def _distance(stick: Any, u: float, v: float) -> float:
    """Metres from (u, v) to the middle line of ``stick``."""
    if stick.ring > 0.0:
        du = (u - stick.u0) / stick.squash
        dv = v - stick.v0
        return float(abs(np.sqrt(du * du + dv * dv) - stick.ring))
    du, dv = stick.u1 - stick.u0, stick.v1 - stick.v0
    length = du * du + dv * dv
    along = 0.0 if length == 0.0 else ((u - stick.u0) * du + (v - stick.v0) * dv) / length
    along = min(max(along, 0.0), 1.0)
    du, dv = u - stick.u0 - along * du, v - stick.v0 - along * dv
    return float(np.sqrt(du * du + dv * dv))


@kernel
def _stick_points(card: Any, stick: Any, radius: float, points: Points) -> None:
    """World corners [4, 3] of the box around one stick."""
    u0, u1 = min(stick.u0, stick.u1), max(stick.u0, stick.u1)
    v0, v1 = min(stick.v0, stick.v1), max(stick.v0, stick.v1)
    if stick.ring > 0.0:
        u0, u1 = stick.u0 - stick.ring * stick.squash, stick.u0 + stick.ring * stick.squash
        v0, v1 = stick.v0 - stick.ring, stick.v0 + stick.ring
    for i in range(4):
        points[i, 0] = card.x + (u1 + radius if i & 1 else u0 - radius)
        points[i, 1] = card.base + (v1 + radius if i & 2 else v0 - radius)
        points[i, 2] = card.z


@routine
def _paint_stick(
    canvas: Canvas, tile: Tile, view: View, light: Light, card: Any, stick: Any, number: int, points: Points
) -> None:
    """Draws one stick, never thinner than a pixel. ``number`` shifts its texture."""
    height, width = canvas.depth.shape
    ahead = card.z - view.z
    pixel = ahead / view.focal  # metres
    radius = max(stick.radius, 0.52 * pixel)
    _stick_points(card, stick, radius, points)
    from_camera(view, points)
    top, bottom, left, right = covered_window(view, points, height, width)
    shine, haze = light.ambient + 0.6 * light.sun, hazed(light, ahead)
    for i in range(top, bottom):
        b = (view.row - i - 0.5) / view.focal
        for j in range(left, right):
            a = (j + 0.5 - view.column) / view.focal
            t = ahead / (view.fz + a * view.rz + b * view.uz)
            if np.float32(t) >= canvas.depth[i, j]:
                continue
            u = view.x + t * (view.fx + a * view.rx + b * view.ux) - card.x
            v = view.y + t * (view.fy + a * view.ry + b * view.uy) - card.base
            away = _distance(stick, u, v)
            if away >= radius:
                continue
            tone = 1.08 - 0.38 * (away / radius) ** 2
            tone = shine * (tone + 0.07 * noise(tile, u * 70.0 + 9.0 * number, v * 70.0, pixel * 70.0))
            red = mix(stick.red * tone, light.haze_red, haze)
            green = mix(stick.green * tone, light.haze_green, haze)
            put(canvas, i, j, t, card.label, red, green, mix(stick.blue * tone, light.haze_blue, haze))


@kernel
def _tufts(card: Any) -> NDArray[np.float64]:
    """Middle u, v and radius in metres of the round parts of a crown [BLOBS, 3]."""
    result = np.empty((BLOBS, 3))
    for k in range(BLOBS):
        radius = card.right * (0.4 + 0.16 * chance(k, 1, card.seed))
        turn = 2.4 * k + 2.0 * chance(k, 2, card.seed)
        reach = np.sqrt((k + 0.4) / BLOBS)
        result[k, 0] = reach * (card.right - radius) * np.cos(turn)
        result[k, 1] = 0.5 * card.top + reach * (0.5 * card.top - radius) * np.sin(turn)
        result[k, 2] = radius
    return result


@kernel
def _crown(card: Any, tufts: NDArray[np.float64], tile: Tile, u: float, v: float, foot: float, sun: float) -> Colour:
    """Leaves: tufts lit from above and from the sun's side, ragged at their edge."""
    if (u / card.right) ** 2 + (2.0 * v / card.top - 1.0) ** 2 > 1.1:
        return OUTSIDE
    best, shade = -1.0, 0.0
    for k in range(BLOBS):
        du, dv = (u - tufts[k, 0]) / tufts[k, 2], (v - tufts[k, 1]) / tufts[k, 2]
        inside = 1.0 - du * du - dv * dv
        if inside > best:
            best, shade = inside, 0.3 * dv + 0.22 * du * sun
    if best <= -0.3:
        return OUTSIDE
    shift = 37.0 * card.seed
    coarse = noise(tile, u * 26.0 + shift, v * 26.0, foot * 26.0)
    if best + 0.2 * coarse < 0.06:
        return OUTSIDE
    fine = noise(tile, v * 95.0 + shift, u * 95.0, foot * 95.0)
    tone = 0.66 + shade + 0.2 * v / card.top + 0.2 * coarse + 0.17 * fine
    tone = max(tone, 0.18)
    return card.red * tone, card.green * tone, card.blue * tone


@kernel
def _plate(card: Any, u: float, v: float) -> Colour:
    """A traffic sign: a disc, a triangle or a board with a border and a simple figure."""
    half, middle = card.right, 0.5 * card.top
    dv = v - middle
    if card.shape == DISC:
        rim = np.hypot(u, dv) / half
    elif card.shape == TRIANGLE:
        rim = max(abs(u) / half + v / card.top, 1.0 - v / card.top)
    else:
        rim = max(abs(u) / half, abs(dv) / middle)
    if rim > 1.0:
        return OUTSIDE
    figure = abs(dv) < 0.22 * middle if card.seed & 1 else abs(u + 0.1 * half) < 0.2 * half and abs(dv) < 0.5 * middle
    if rim > 0.78 or (figure and rim < 0.65):
        return card.red2, card.green2, card.blue2
    return card.red, card.green, card.blue


@kernel
def _card_points(card: Any, points: Points) -> None:
    """World corners [4, 3]."""
    for i in range(4):
        points[i, 0] = card.x + (card.right if i & 1 else card.left)
        points[i, 1] = card.base + (card.top if i & 2 else 0.0)
        points[i, 2] = card.z


@routine
def _paint_card(canvas: Canvas, tile: Tile, view: View, light: Light, card: Any, points: Points) -> None:
    """Draws a crown or a sign."""
    height, width = canvas.depth.shape
    _card_points(card, points)
    from_camera(view, points)
    top, bottom, left, right = covered_window(view, points, height, width)
    tufts = _tufts(card)
    ahead = card.z - view.z
    shine, haze = light.ambient + 0.6 * light.sun, hazed(light, ahead)
    sun = np.sign(light.sun_x)
    for i in range(top, bottom):
        b = (view.row - i - 0.5) / view.focal
        for j in range(left, right):
            a = (j + 0.5 - view.column) / view.focal
            t = ahead / (view.fz + a * view.rz + b * view.uz)
            if np.float32(t) >= canvas.depth[i, j]:
                continue
            u = view.x + t * (view.fx + a * view.rx + b * view.ux) - card.x
            v = view.y + t * (view.fy + a * view.ry + b * view.uy) - card.base
            if card.shape == CROWN:
                red, green, blue = _crown(card, tufts, tile, u, v, t / view.focal, sun)
            else:
                red, green, blue = _plate(card, u, v)
            if red < 0.0:
                continue
            red, green = mix(red * shine, light.haze_red, haze), mix(green * shine, light.haze_green, haze)
            put(canvas, i, j, t, card.label, red, green, mix(blue * shine, light.haze_blue, haze))


@routine
def draw_cards(canvas: Canvas, tile: Tile, view: View, light: Light, cards: Any, sticks: Any) -> None:
    """Draws all ``cards`` in front of the camera; of a card's sticks the last lies in front."""
    points = np.empty((4, 3))
    for k in range(cards.shape[0]):
        card = cards[k]
        if not view.z + NEAR < card.z < view.z + FAR:
            continue
        if card.shape != STICKS:
            _paint_card(canvas, tile, view, light, card, points)
            continue
        for number in range(card.first + card.count - 1, card.first - 1, -1):
            _paint_stick(canvas, tile, view, light, card, sticks[number], number - card.first, points)
