"""Ray casting of leaning boxes: houses, roofs, fences and cars."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from taplab.data.synthetic.canvas import FAR, Canvas, Points, covered_window, from_camera, nearest, put
from taplab.data.synthetic.materials import END, SIDE, TOP, surface
from taplab.data.synthetic.sampling import kernel, mix, routine
from taplab.data.synthetic.view import Light, View

Hit = tuple[float, int]  # distance along the ray, and the wall 0..5 (-1: none): +x -x +z -z top bottom


@kernel
def hazed(light: Light, depth: float) -> float:
    """Share of haze in the colour of a thing ``depth`` metres away."""
    return depth / (depth + 420.0)


@kernel
def _corners(solid: Any, points: Points) -> None:
    """World positions of the eight corners [8, 3]; the lean is left out, so they bound the solid."""
    cos, sin = np.cos(solid.angle), np.sin(solid.angle)
    for i in range(8):
        x = solid.half_width * (1.0 if i & 1 else -1.0)
        z = solid.half_length * (1.0 if i & 2 else -1.0)
        points[i, 0] = solid.x + x * cos + z * sin
        points[i, 1] = solid.base + (solid.height if i & 4 else 0.0)
        points[i, 2] = solid.z - x * sin + z * cos


@kernel
def _cut(start: float, slope: float, near: float, far: float, wall: int, last: int) -> tuple[float, float, int]:
    """Keeps the part of a ray where start + slope * t <= 0."""
    if slope > 0.0:
        return near, min(far, -start / slope), last
    if start > 0.0 and slope == 0.0:
        return near, -1.0, last
    if slope < 0.0 and -start / slope > near:
        return -start / slope, far, wall
    return near, far, last


@kernel
def _meet(s: Any, ox: float, oy: float, oz: float, dx: float, dy: float, dz: float) -> Hit:
    """First wall of solid ``s`` that the ray o + t d of its own axes meets from outside."""
    near, far, wall = 0.0, 1e9, -1
    lean_x, lean_z = s.taper_x, s.taper_z
    near, far, wall = _cut(ox + lean_x * oy - s.half_width, dx + lean_x * dy, near, far, 0, wall)
    near, far, wall = _cut(-ox + lean_x * oy - s.half_width, -dx + lean_x * dy, near, far, 1, wall)
    if near > far:
        return 0.0, -1
    near, far, wall = _cut(oz + lean_z * oy - s.half_length, dz + lean_z * dy, near, far, 2, wall)
    near, far, wall = _cut(-oz + lean_z * oy - s.half_length, -dz + lean_z * dy, near, far, 3, wall)
    if near > far:
        return 0.0, -1
    near, far, wall = _cut(oy - s.height, dy, near, far, 4, wall)
    near, far, wall = _cut(-oy, -dy, near, far, 5, wall)
    return near, -1 if near > far else wall


@kernel
def _brightness(light: Light, solid: Any, cos: float, sin: float) -> NDArray[np.float64]:
    """Light on each of the six walls."""
    x = light.sun_x * cos - light.sun_z * sin
    z = light.sun_x * sin + light.sun_z * cos
    result = np.empty(6)
    lean = solid.taper_x / np.sqrt(1.0 + solid.taper_x**2)
    flat = np.sqrt(1.0 - lean * lean)
    lean_z = solid.taper_z / np.sqrt(1.0 + solid.taper_z**2)
    flat_z = np.sqrt(1.0 - lean_z * lean_z)
    result[0] = x * flat + light.sun_y * lean
    result[1] = -x * flat + light.sun_y * lean
    result[2] = z * flat_z + light.sun_y * lean_z
    result[3] = -z * flat_z + light.sun_y * lean_z
    result[4] = light.sun_y
    result[5] = -1.0
    for i in range(6):
        result[i] = light.ambient * (0.86 if i < 2 else 0.93) + light.sun * max(0.0, result[i])
    return result


@routine
def _paint(canvas: Canvas, tile: NDArray[np.float32], view: View, light: Light, solid: Any, points: Points) -> None:
    """Draws one solid whose camera corners are ``points``."""
    height, width = canvas.depth.shape
    top, bottom, left, right = covered_window(view, points, height, width)
    closest = nearest(points)
    cos, sin = np.cos(solid.angle), np.sin(solid.angle)
    shine = _brightness(light, solid, cos, sin)
    x, oy, z = view.x - solid.x, view.y - solid.base, view.z - solid.z
    ox, oz = x * cos - z * sin, x * sin + z * cos
    for i in range(top, bottom):
        b = (view.row - i - 0.5) / view.focal
        for j in range(left, right):
            if canvas.depth[i, j] <= closest:
                continue
            a = (j + 0.5 - view.column) / view.focal
            wx = view.fx + a * view.rx + b * view.ux
            dy = view.fy + a * view.ry + b * view.uy
            wz = view.fz + a * view.rz + b * view.uz
            dx, dz = wx * cos - wz * sin, wx * sin + wz * cos
            t, wall = _meet(solid, ox, oy, oz, dx, dy, dz)
            if wall < 0 or np.float32(t) >= canvas.depth[i, j] or t < 0.05:
                continue
            pixel = t / view.focal  # metres across a pixel that faces the camera
            facing = abs(dx) if wall < 2 else abs(dz) if wall < 4 else abs(dy)
            side = SIDE if wall < 2 else END if wall < 4 else TOP
            slant = min(pixel / max(facing, 1e-4), 50.0)
            red, green, blue = surface(solid, tile, side, ox + t * dx, oy + t * dy, oz + t * dz, slant, pixel)
            if red < 0.0:
                continue
            haze = hazed(light, t)
            red = mix(red * shine[wall], light.haze_red, haze)
            green = mix(green * shine[wall], light.haze_green, haze)
            blue = mix(blue * shine[wall], light.haze_blue, haze)
            put(canvas, i, j, t, solid.label, red, green, blue)


@routine
def draw_solids(canvas: Canvas, tile: NDArray[np.float32], view: View, light: Light, solids: Any) -> None:
    """Draws all ``solids``, of which at least a part lies between NEAR and FAR."""
    corners = np.empty((8, 3))
    for k in range(solids.shape[0]):
        _corners(solids[k], corners)
        from_camera(view, corners)
        if nearest(corners) < FAR:
            _paint(canvas, tile, view, light, solids[k], corners)
