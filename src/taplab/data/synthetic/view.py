"""Where the camera is at each time, and the light of a drive."""

from dataclasses import dataclass
from math import cos, pi, sin, sqrt
from typing import NamedTuple

import numpy as np

SPEEDS = {"slow": 0.9, "medium": 2.4, "fast": 6.2}  # metres per second: about 2, 5 and 12 pixels a frame
EYE = 1.4  # metres above the ground


class View(NamedTuple):
    """A pinhole camera; right, up and forward are its axes in the world."""

    x: float
    y: float
    z: float
    rx: float
    ry: float
    rz: float
    ux: float
    uy: float
    uz: float
    fx: float
    fy: float
    fz: float
    focal: float  # pixels
    column: float  # pixel position of the optical axis
    row: float


class Light(NamedTuple):
    """Sun and air. Colours 0..255."""

    sun_x: float
    sun_y: float
    sun_z: float
    ambient: float
    sun: float
    haze_red: float
    haze_green: float
    haze_blue: float
    zenith_red: float
    zenith_green: float
    zenith_blue: float
    clouds: float  # 0 clear .. 1 overcast
    gain_red: float
    gain_green: float
    gain_blue: float


@dataclass(frozen=True)
class CameraPath:
    """The drive as a closed form of time: forward along z with changes of speed and a slight sway."""

    speed: float  # metres per second
    lane: float  # x of the camera's lane
    phases: tuple[float, float, float, float]

    def z(self, time: float) -> float:
        """Metres driven after ``time`` seconds; never backward."""
        a, b = self.phases[:2]
        wave = 0.22 / 1.1 * (sin(1.1 * time + a) - sin(a)) + 0.1 / 2.7 * (sin(2.7 * time + b) - sin(b))
        return self.speed * (time + wave)

    def view(self, time: float, height: int, width: int) -> View:
        """The camera at ``time`` for pictures of ``height`` x ``width`` pixels."""
        a, b, c, d = self.phases
        shake = min(self.speed, 4.0) / 3.0
        yaw = 0.022 * sin(0.9 * time + c) + 0.002 * shake * sin(5.1 * time + a)
        pitch = -0.012 + 0.004 * shake * sin(2.3 * time + d) + 0.0012 * shake * sin(8.7 * time + b)
        roll = 0.004 * sin(1.3 * time + b)
        x = self.lane + 0.18 * sin(0.7 * time + d)
        y = EYE + 0.012 * shake * sin(6.1 * time + c)
        right, up, forward = _axes(yaw, pitch, roll)
        focal = 1.1 * sqrt(height * width)
        return View(x, y, self.z(time), *right, *up, *forward, focal, 0.5 * width, 0.46 * height)


Axis = tuple[float, float, float]


def _axes(yaw: float, pitch: float, roll: float) -> tuple[Axis, Axis, Axis]:
    """Right, up and forward of a camera turned by these angles (radians)."""
    right = (cos(yaw), 0.0, -sin(yaw))
    forward = (sin(yaw) * cos(pitch), sin(pitch), cos(yaw) * cos(pitch))
    up = (-sin(yaw) * sin(pitch), cos(pitch), -cos(yaw) * sin(pitch))
    c, s = cos(roll), sin(roll)
    rolled = (right[0] * c + up[0] * s, right[1] * c + up[1] * s, right[2] * c + up[2] * s)
    lifted = (up[0] * c - right[0] * s, up[1] * c - right[1] * s, up[2] * c - right[2] * s)
    return rolled, lifted, forward


def camera_path(rng: np.random.Generator, speed: float, lane: float) -> CameraPath:
    """A path with random sway."""
    a, b, c, d = (float(p) for p in rng.uniform(0, 2 * pi, 4))
    return CameraPath(speed, lane, (a, b, c, d))


def daylight(rng: np.random.Generator) -> Light:
    """Weather and hour of a drive."""
    azimuth = rng.choice([-1.0, 1.0]) * rng.uniform(0.5, 2.4)  # radians from straight ahead
    elevation = rng.uniform(0.45, 1.0)
    clouds = float(rng.uniform(0, 1))
    warmth = float(rng.uniform(-0.07, 0.09))
    bright = float(rng.uniform(0.96, 1.22))
    grey = np.array([205.0, 212.0, 220.0])
    haze = grey + (np.array([196.0, 214.0, 232.0]) - grey) * (1 - clouds)
    zenith = np.array([165.0, 178.0, 195.0]) * clouds + np.array([84.0, 138.0, 205.0]) * (1 - clouds)
    sun = (sin(azimuth) * cos(elevation), sin(elevation), cos(azimuth) * cos(elevation))
    gain = (bright * (1 + warmth), bright, bright * (1 - warmth))
    strength = 0.75 - 0.45 * clouds
    numbers = (*sun, 1.0 - 0.6 * strength, strength, *haze.tolist(), *zenith.tolist(), clouds, *gain)
    return Light._make(float(number) for number in numbers)


def flickered(light: Light, rng: np.random.Generator) -> Light:
    """The light of one frame: the exposure wavers by about half a percent."""
    gain = 1 + 0.005 * float(rng.standard_normal())
    return light._replace(
        gain_red=light.gain_red * gain, gain_green=light.gain_green * gain, gain_blue=light.gain_blue * gain
    )
