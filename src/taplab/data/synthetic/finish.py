"""From the drawn colours to the camera's picture: lens blur, vignette, exposure, sensor noise, 8 bits."""

import numpy as np
from numpy.typing import NDArray

from taplab.data.synthetic.sampling import kernel, routine
from taplab.data.synthetic.view import Light
from taplab.types import Rgb

Lines = NDArray[np.float32]
BLUR = 0.2  # share of each neighbour in the lens blur; the middle keeps 1 - 2 * BLUR
NOISE = 0.0136  # grey levels of sensor noise for each step of the four summed bytes: deviation 2


@routine
def _blur_row(colour: Lines, i: int, line: Lines) -> None:
    """Row i of colour [H, W * 3], blurred both ways, into ``line`` [W * 3]."""
    height, width = colour.shape
    above, below = max(i - 1, 0), min(i + 1, height - 1)
    column = np.empty(width, np.float32)
    middle, side = np.float32(1 - 2 * BLUR), np.float32(BLUR)
    for j in range(width):
        column[j] = middle * colour[i, j] + side * (colour[above, j] + colour[below, j])
    for j in range(3):
        line[j] = column[j]
        line[width - 1 - j] = column[width - 1 - j]
    for j in range(3, width - 3):
        line[j] = middle * column[j] + side * (column[j - 3] + column[j + 3])


@kernel
def _scrambled(x: np.uint64) -> np.uint64:
    """64 random bits that belong to x."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@kernel
def _bytes(bits: np.uint64, first: int, count: int) -> float:
    """Sum of ``count`` random bytes, less its mean."""
    total = 0
    for k in range(first, first + count):
        total += int((bits >> np.uint64(8 * k)) & np.uint64(255))
    return total - 127.5 * count


@routine
def finish(colour: Lines, rgb: Rgb, light: Light, seed: int) -> None:
    """colour [H, W * 3] 0..255 to rgb uint8 [H, W, 3]; noise belongs to ``seed`` (the drive's and the frame's)."""
    height, width = rgb.shape[0], rgb.shape[1]
    line = np.empty(3 * width, np.float32)
    gain = np.array([light.gain_red, light.gain_green, light.gain_blue])
    state = _scrambled(np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15))
    for i in range(height):
        _blur_row(colour, i, line)
        rise = (2.0 * i / height - 1.0) ** 2
        for j in range(width):
            state += np.uint64(0x9E3779B97F4A7C15)
            bits = _scrambled(state)
            grain = NOISE * _bytes(bits, 0, 4)
            corner = 1.0 - 0.05 * (rise + (2.0 * j / width - 1.0) ** 2)
            for c in range(3):
                tint = 0.6 * NOISE * _bytes(bits, 4 + c, 1)
                value = line[3 * j + c] * gain[c] * corner + grain + tint + 0.5
                rgb[i, j, c] = np.uint8(min(max(value, 0.0), 255.0))
