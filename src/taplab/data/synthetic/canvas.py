"""The picture while it is drawn, and the part of it that a thing can cover."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from taplab.data.synthetic.sampling import kernel, routine
from taplab.data.synthetic.view import View

NEAR = 0.4  # metres in front of the camera where things begin
FAR = 260.0  # metres after which things are left out
Points = NDArray[np.float64]


class Canvas(NamedTuple):
    """Colour 0..255 [H, W, 3], distance along the optical axis in metres [H, W], class ids, uint8 [H, W]."""

    colour: NDArray[np.float32]
    depth: NDArray[np.float32]
    labels: NDArray[Any]


Window = tuple[int, int, int, int]  # top, bottom, left, right in pixels, ends excluded


@routine
def from_camera(view: View, points: Points) -> None:
    """World points [N, 3] to (right, up, forward) of the camera, in place."""
    for i in range(points.shape[0]):
        x = points[i, 0] - view.x
        y = points[i, 1] - view.y
        z = points[i, 2] - view.z
        points[i, 0] = x * view.rx + y * view.ry + z * view.rz
        points[i, 1] = x * view.ux + y * view.uy + z * view.uz
        points[i, 2] = x * view.fx + y * view.fy + z * view.fz


@routine
def covered_window(view: View, points: Points, height: int, width: int) -> Window:
    """The pixels that the hull of camera points [N, 3] can cover; edges through the near plane are cut there."""
    low_x = low_y = 1e9
    high_x = high_y = -1e9
    for i in range(points.shape[0]):
        for j in range(i, points.shape[0]):
            ahead = points[i, 2] >= NEAR
            if (i == j and not ahead) or (i != j and ahead == (points[j, 2] >= NEAR)):
                continue
            cut = 0.0 if i == j else (NEAR - points[i, 2]) / (points[j, 2] - points[i, 2])
            z = points[i, 2] + (points[j, 2] - points[i, 2]) * cut
            x = view.column + view.focal * (points[i, 0] + (points[j, 0] - points[i, 0]) * cut) / z
            y = view.row - view.focal * (points[i, 1] + (points[j, 1] - points[i, 1]) * cut) / z
            low_x = min(low_x, x)
            high_x = max(high_x, x)
            low_y = min(low_y, y)
            high_y = max(high_y, y)
    top = int(min(max(low_y - 1.0, 0.0), height))
    bottom = int(min(max(high_y + 2.0, 0.0), height))
    left = int(min(max(low_x - 1.0, 0.0), width))
    right = int(min(max(high_x + 2.0, 0.0), width))
    return top, bottom, left, right


@kernel
def nearest(points: Points) -> float:
    """The smallest depth of camera points [N, 3], at least NEAR."""
    depth = 1e9
    for i in range(points.shape[0]):
        depth = min(depth, points[i, 2])
    return max(depth, NEAR)


@kernel
def put(canvas: Canvas, i: int, j: int, depth: float, label: int, red: float, green: float, blue: float) -> None:
    """Colours one pixel."""
    canvas.depth[i, j] = depth
    canvas.labels[i, j] = label
    canvas.colour[i, j, 0] = red
    canvas.colour[i, j, 1] = green
    canvas.colour[i, j, 2] = blue
