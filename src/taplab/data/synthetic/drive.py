"""The drive: a sequence of frames with exact labels."""

from collections.abc import Iterator

import numpy as np

from taplab.data.camvid import CLASSES, PALETTE
from taplab.data.synthetic.canvas import Canvas
from taplab.data.synthetic.cards import draw_cards
from taplab.data.synthetic.finish import finish
from taplab.data.synthetic.flow import Mask, Scene, Vectors, seen_before, true_flow
from taplab.data.synthetic.ground import draw_background, draw_shadows
from taplab.data.synthetic.parts import merged, near_first
from taplab.data.synthetic.sampling import noise_tile
from taplab.data.synthetic.solids import draw_solids
from taplab.data.synthetic.street import house_shade, neighbourhood, still_things
from taplab.data.synthetic.street import visible as visible_blocks
from taplab.data.synthetic.traffic import moving_things
from taplab.data.synthetic.view import SPEEDS, camera_path, daylight, flickered
from taplab.errors import SettingError
from taplab.types import Labels, Rgb

SMALLEST = 32


class SyntheticDrive:
    """A street as a camera in a car sees it, drawn by procedure; ``seed`` picks street, light and traffic.

    ``speed`` is "slow", "medium" or "fast": the lower half of the picture moves by typically 2, 5 or 12
    pixels a frame at 360x480, in proportion at other sizes. Frame i depends on the settings and i alone.
    Raises SettingError for odd or too small sizes, no frames, a negative seed or an unknown speed.
    """

    fps = 15.0
    classes = CLASSES
    palette = PALETTE

    def __init__(
        self, height: int = 360, width: int = 480, frames: int = 60, seed: int = 0, *, speed: str = "medium"
    ) -> None:
        _check(height, width, frames, seed, speed)
        self.height, self.width, self.frames, self.seed, self.speed = height, width, frames, seed, speed
        rng = np.random.default_rng([seed, 1])
        self._place = neighbourhood(rng, seed)
        self._light = daylight(rng)
        self._path = camera_path(rng, SPEEDS[speed], 1.7 * self._place.driving_side)
        self._scene = Scene(self._place, self._path, self._light, height, width)

    def __len__(self) -> int:
        return self.frames

    def __getitem__(self, index: int) -> tuple[Rgb, Labels]:
        """RGB uint8 ``[H, W, 3]`` and labels uint8 ``[H, W]`` of one frame. Raises IndexError."""
        if not -self.frames <= index < self.frames:
            raise IndexError(f"frame {index} of a drive of {self.frames} frames")
        canvas, noise_seed = self._draw(index % self.frames)
        rgb = np.empty((self.height, self.width, 3), np.uint8)
        rng = np.random.default_rng([self.seed, 2, noise_seed])
        light = flickered(self._light, rng)
        finish(canvas.colour.reshape(self.height, -1), rgb, light, int(rng.integers(1 << 62)))
        return rgb, canvas.labels

    def __iter__(self) -> Iterator[tuple[Rgb, Labels]]:
        return (self[i] for i in range(self.frames))

    def flow(self, index: int) -> Vectors:
        """The true motion from frame ``index`` to the one before it.

        float32 ``[H, W, 2]``: (dx, dy) in pixels from each pixel to where its visible point was, as `MotionField`
        counts. Raises IndexError for the first frame, which has none before it.
        """
        return true_flow(self._scene, *self._step(index))

    def visible(self, index: int) -> Mask:
        """Bool ``[H, W]``: what the pixel of frame ``index`` shows was seen in the one before, too."""
        return seen_before(self._scene, *self._step(index))

    def _step(self, index: int) -> tuple[float, float]:
        """Times of frame ``index`` and the one before."""
        if not 0 < index < self.frames:
            raise IndexError(f"flow of frame {index}: frames 1 to {self.frames - 1} of this drive have one before them")
        return index / self.fps, (index - 1) / self.fps

    def _draw(self, index: int) -> tuple[Canvas, int]:
        """The scene of frame ``index`` without the sensor."""
        time = index / self.fps
        view = self._path.view(time, self.height, self.width)
        still = still_things(self._place, *visible_blocks(self._place, view.z))
        things = near_first(merged([still, moving_things(self._place, self._path, time)]))
        shape = (self.height, self.width)
        depth = np.full(shape, 1e9, np.float32)
        canvas = Canvas(np.empty((*shape, 3), np.float32), depth, np.empty(shape, np.uint8))
        tile = noise_tile()
        draw_cards(canvas, tile, view, self._light, things.cards, things.sticks)
        draw_solids(canvas, tile, view, self._light, things.solids)
        shade = house_shade(self._place, self._light, view.z)
        draw_background(canvas, tile, view, self._light, self._place.ground, shade)
        draw_shadows(canvas, view, things.shadows)
        return canvas, index


def _check(height: int, width: int, frames: int, seed: int, speed: str) -> None:
    if min(height, width) < SMALLEST or height % 2 or width % 2:
        raise SettingError(f"size {height}x{width}: both must be even (video is 4:2:0) and at least {SMALLEST}")
    if frames < 1:
        raise SettingError(f"frames={frames}: a drive has at least 1 frame")
    if seed < 0:
        raise SettingError(f"seed={seed}: a seed is 0 or more")
    if speed not in SPEEDS:
        raise SettingError(f"speed={speed!r}: choose one of {', '.join(SPEEDS)}")
