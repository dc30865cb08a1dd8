"""What is left when all things are drawn: road, pavement, sky, and the far end of the street; then shadows."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from taplab.data.synthetic.canvas import Canvas, Window, put
from taplab.data.synthetic.parts import BUILDING, PAVEMENT, ROAD, SKY, TREE
from taplab.data.synthetic.sampling import band, chance, kernel, mix, noise, routine, stripes, texel
from taplab.data.synthetic.solids import hazed
from taplab.data.synthetic.view import Light, View

Tile = NDArray[np.float32]
Colour = tuple[float, float, float]
BLOCK = 48.0  # metres of street from one corner to the next
CORNER = 8.0  # metres that a side street is wide
KERB = 0.16  # metres


class Street(NamedTuple):
    """Measures in metres, colours 0..255."""

    half_road: float
    pavement: float
    asphalt: float  # grey level
    slab_red: float
    slab_green: float
    slab_blue: float
    slab: float  # metres between the joints of paving slabs
    corners: float  # share of blocks that begin with a side street
    seed: int


@kernel
def side_street(street: Street, block: int) -> bool:
    """Whether ``block`` begins with a side street."""
    return chance(block, 11, street.seed) < street.corners


@kernel
def _asphalt(street: Street, tile: Tile, x: float, z: float, fx: float, fz: float) -> float:
    """Brightness of worn asphalt: grain up close, streaks along the lanes, darker patches."""
    tone = street.asphalt
    tone += 8.0 * noise(tile, x * 60.0, z * 60.0, fz * 60.0)  # grain of 1.5 cm
    tone += 5.0 * noise(tile, x * 20.0, z * 4.0, max(fx * 20.0, fz * 4.0))  # streaks
    patch = chance(int(np.floor(z / 5.0)), int(np.floor(x / 2.2)), street.seed)
    inside = band(x - 2.2 * np.floor(x / 2.2), fx, 0.1, 1.9) * band(z - 5.0 * np.floor(z / 5.0), fz, 0.6, 3.4)
    if patch < 0.16:
        tone -= 16.0 * inside
    elif patch > 0.93:
        tone += 11.0 * inside
    track = abs(abs(x) - 1.75)  # wheels polish two tracks in each lane
    return tone + 4.0 * (band(track, fx + 0.3, 0.6, 1.0) - 0.4)


@kernel
def _markings(street: Street, x: float, z: float, fx: float, fz: float, corner: bool) -> float:
    """Share of white paint."""
    local = z - BLOCK * np.floor(z / BLOCK)
    paint = band(x, fx, -0.06, 0.06)
    if paint > 0.0:
        paint *= stripes(z, fz, 6.0, 3.0)
    paint = max(paint, band(abs(x), fx, street.half_road - 0.45, street.half_road - 0.35))
    if not corner or CORNER + 6.0 + fz < local < BLOCK - 1.0 - fz:
        return paint
    zebra = band(local, fz, CORNER + 1.0, CORNER + 4.0)
    if zebra > 0.0:
        zebra *= stripes(x, fx, 1.0, 0.5)
    stop = band(local, fz, CORNER + 5.2, CORNER + 5.5)
    return max(zebra, stop, paint * (1.0 - band(local, fz, -1.0, CORNER + 5.0)))


@kernel
def _pavement(street: Street, tile: Tile, x: float, z: float, fx: float, fz: float) -> float:
    """Brightness of paving slabs relative to their colour."""
    foot = max(fx, fz)
    tone = 1.0 + 0.06 * noise(tile, x * 50.0, z * 50.0, foot * 50.0)
    tone += 0.05 * noise(tile, x * 6.0, z * 3.0, foot * 4.0)
    joint = max(stripes(x, fx, street.slab, 0.025), stripes(z, fz, street.slab, 0.025))
    slab = chance(int(np.floor(x / street.slab)), int(np.floor(z / street.slab)), street.seed)
    tone += 0.14 * (slab - 0.5) * max(0.0, 1.0 - fz / street.slab)
    return tone - 0.3 * joint


@kernel
def _ground(street: Street, tile: Tile, x: float, z: float, fx: float, fz: float) -> tuple[int, float, float, float]:
    """Class and unlit colour of the ground."""
    block = int(np.floor(z / BLOCK))
    out = abs(x) - street.half_road
    corner = side_street(street, block)
    aside = corner and z - BLOCK * block < CORNER
    if out <= 0.0 or aside:
        tone = _asphalt(street, tile, x, z, fx, fz)
        if out <= 0.0:
            paint = _markings(street, x, z, fx, fz, corner)
            if paint > 0.0:
                paint *= 0.92 + 0.08 * noise(tile, x * 30.0, z * 30.0, fz * 30.0)
                tone = mix(tone, 205.0, paint)
            if not aside:
                tone *= 1.0 - 0.35 * band(-out, fx, 0.0, 0.22)  # gutter
        return ROAD, tone, tone * 1.005, tone * 1.02
    tone = _pavement(street, tile, x, z, fx, fz)
    kerb = band(out, fx, 0.0, KERB)
    stones = 1.08 - 0.25 * stripes(z, fz, 0.9, 0.03)
    red = mix(street.slab_red * tone, 168.0 * stones, kerb)
    green = mix(street.slab_green * tone, 167.0 * stones, kerb)
    return PAVEMENT, red, green, mix(street.slab_blue * tone, 162.0 * stones, kerb)


@kernel
def _skyline(street: Street, tile: Tile, azimuth: float, rise: float) -> int:
    """Class of the far end of the street at this direction (tangents of the angles): BUILDING, TREE or SKY."""
    cell = int(np.floor(azimuth * 28.0))
    roof = 0.012 + 0.05 * chance(cell, 21, street.seed) * (0.4 + min(1.0, 3.0 * abs(azimuth)))
    leaves = 0.016 + 0.008 * _wave(azimuth * 40.0, street.seed) + 0.002 * noise(tile, azimuth * 900.0, 3.0, 1.0)
    if rise < leaves:
        return TREE
    return BUILDING if rise < roof else SKY


@kernel
def _wave(x: float, seed: int) -> float:
    """A smooth irregular wave in -1..1."""
    return float(0.6 * np.sin(x + seed) + 0.4 * np.sin(2.7 * x + 2.0 * seed))


@kernel
def _sky(light: Light, tile: Tile, dx: float, dy: float, dz: float) -> Colour:
    """Gradient and soft clouds."""
    length = np.sqrt(dx * dx + dy * dy + dz * dz)
    rise = dy / length
    fade = np.sqrt(min(1.0, 1.4 * rise))
    red = mix(light.haze_red, light.zenith_red, fade)
    green = mix(light.haze_green, light.zenith_green, fade)
    blue = mix(light.haze_blue, light.zenith_blue, fade)
    spread = 26.0 / (rise + 0.12)
    u, v = spread * dx / length, spread * dz / length
    wave = texel(tile, 1, u, v) + 0.35 * texel(tile, 1, 3.0 * u, 3.0 * v)
    cloud = min(max((wave + 1.6 * light.clouds - 0.9) * 0.45, 0.0), 0.85) * min(1.0, 8.0 * rise)
    bright = 236.0 - 34.0 * light.clouds + 8.0 * wave
    return mix(red, bright, cloud), mix(green, bright, cloud), mix(blue, bright + 3.0, cloud)


@kernel
def _far(
    canvas: Canvas, tile: Tile, light: Light, street: Street, i: int, j: int, dx: float, dy: float, dz: float
) -> None:
    """Colours a pixel whose ray rises: skyline or sky."""
    rise = dy / np.sqrt(dx * dx + dz * dz)
    label = SKY if rise > 0.08 else _skyline(street, tile, dx / dz, rise)
    red, green, blue = _sky(light, tile, dx, max(dy, 0.0), dz)
    if label == BUILDING:
        shade = 0.68 + 0.12 * chance(int(np.floor(dx / dz * 28.0)), 22, street.seed)
        red, green, blue = light.haze_red * shade, light.haze_green * shade * 0.98, light.haze_blue * shade * 0.96
    elif label == TREE:
        shade = 0.56 + 0.04 * noise(tile, dx / dz * 1500.0, rise * 1500.0, 4.0)
        red, green, blue = light.haze_red * shade * 0.92, light.haze_green * shade, light.haze_blue * shade * 0.85
    put(canvas, i, j, 1e6, label, red, green, blue)


@routine
def draw_background(canvas: Canvas, tile: Tile, view: View, light: Light, street: Street, shade: Any) -> None:
    """Fills every pixel that is still empty. ``shade``: see `sunlit`."""
    height, width = canvas.depth.shape
    low = light.ambient
    for i in range(height):
        b = (view.row - i - 0.5) / view.focal
        for j in range(width):
            if canvas.depth[i, j] < 1e8:
                continue
            a = (j + 0.5 - view.column) / view.focal
            dx = view.fx + a * view.rx + b * view.ux
            dy = view.fy + a * view.ry + b * view.uy
            dz = view.fz + a * view.rz + b * view.uz
            if dy > -0.0005:
                _far(canvas, tile, light, street, i, j, dx, dy, dz)
                continue
            t = -view.y / dy
            x, z = view.x + t * dx, view.z + t * dz
            fx = t / view.focal
            label, red, green, blue = _ground(street, tile, x, z, fx, fx * t / view.y)
            lit = low + light.sun * light.sun_y * sunlit(shade, light, x, z - view.z)
            haze = hazed(light, t)
            red, green = mix(red * lit, light.haze_red, haze), mix(green * lit, light.haze_green, haze)
            put(canvas, i, j, t, label, red, green, mix(blue * lit, light.haze_blue, haze))


@kernel
def sunlit(shade: NDArray[np.float32], light: Light, x: float, ahead: float) -> float:
    """Share of sun on the ground at x, ``ahead`` metres before the camera.

    ``shade`` [M] holds, for each half metre ahead from -20 on, the x up to which the houses of the sun's side
    throw their shadow, counted from that side.
    """
    place = 2.0 * (ahead + 20.0)
    k = int(place)
    if k < 0 or k + 1 >= shade.shape[0]:
        return 0.6
    edge = mix(shade[k], shade[k + 1], place - k)
    across = -x if light.sun_x > 0.0 else x
    return min(max((across - edge) / 0.5, 0.0), 1.0)


@kernel
def _shadow_window(view: View, shadow: Any, height: int, width: int) -> Window:
    """The pixels that a shadow can cover; generous, for the camera's tilt and turn."""
    near = max(shadow.z - shadow.half_length - view.z, 1.0)
    far = max(shadow.z + shadow.half_length - view.z, 2.0)
    margin = 0.05 * view.focal
    left, right = shadow.x - shadow.half_width - view.x, shadow.x + shadow.half_width - view.x
    low = view.column + view.focal * min(left / near, left / far) - margin
    high = view.column + view.focal * max(right / near, right / far) + margin
    top = max(int(view.row + view.focal * view.y / far - margin), 0)
    bottom = min(int(view.row + view.focal * view.y / near + margin), height)
    return top, bottom, max(int(low), 0), min(int(high), width)


@kernel
def _darken(canvas: Canvas, view: View, shadow: Any, i: int, j: int) -> None:
    """Puts one pixel of the ground into ``shadow``, as far as it lies inside."""
    t = canvas.depth[i, j]
    a, b = (j + 0.5 - view.column) / view.focal, (view.row - i - 0.5) / view.focal
    dx = view.x + t * (view.fx + a * view.rx + b * view.ux) - shadow.x
    dz = view.z + t * (view.fz + a * view.rz + b * view.uz) - shadow.z
    away = (dx / shadow.half_width) ** 4 + (dz / shadow.half_length) ** 4
    if away < 1.0:
        for c in range(3):
            canvas.colour[i, j, c] *= 1.0 - shadow.strength * (1.0 - away)


@routine
def draw_shadows(canvas: Canvas, view: View, shadows: Any) -> None:
    """Darkens the ground under things."""
    height, width = canvas.depth.shape
    for k in range(shadows.shape[0]):
        shadow = shadows[k]
        if not -4.0 < shadow.z - view.z < 90.0:
            continue
        top, bottom, left, right = _shadow_window(view, shadow, height, width)
        for i in range(top, bottom):
            for j in range(left, right):
                if canvas.labels[i, j] == ROAD or canvas.labels[i, j] == PAVEMENT:
                    _darken(canvas, view, shadow, i, j)
