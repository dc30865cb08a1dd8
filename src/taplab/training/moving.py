"""Clips from still images, so that a network can learn from real encoders' motion where no labelled video is at hand.

The still is taken for a street scene seen from a car: a ground plane below the horizon, a wall of constant distance
above it. The camera drives forward (or, played backwards, away) and turns; objects cut out of other stills move on
their own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from taplab.types import IGNORE, Labels, Rgb

Pair = tuple[Tensor, Tensor]  # uint8 [3, H, W] and [H, W]
_SPEED = (0.005, 0.12)  # share of a point's distance from the vanishing point that it moves in a frame, at the bottom
_MARGIN = 6  # pixels around a pasted object that come along


@dataclass(frozen=True)
class Camera:
    """vanishing: (x, y) in 0..1. ground, wall: relative motion a frame, at the bottom edge and above the horizon.
    turn: widths a frame, to the left. roll: radians a frame."""

    vanishing: tuple[float, float]
    ground: float
    wall: float
    turn: float
    roll: float

    def grid(self, size: tuple[int, int], time: float) -> Tensor:
        """Where the pixels of a frame come from in the still, -1..1, float ``[H, W, 2]``."""
        height, width = size
        x0, y0 = self.vanishing
        y = (torch.arange(height) + 0.5)[:, None] / height - y0
        x = (torch.arange(width) + 0.5)[None] / width - x0
        x, y = x + y * (self.roll * time * height / width), y - x * (self.roll * time * width / height)
        depth = 1 + time * torch.clamp(self.ground * y / (1 - y0), min=self.wall)
        return torch.stack([2 * (x / depth + x0 + self.turn * time) - 1, 2 * (y / depth + y0) - 1], -1)


@dataclass(frozen=True, eq=False)
class Cutout:
    """An object of another still, ``mask`` bool ``[H, W]``, that moves by ``shift`` (x, y; shares of the frame) and
    grows by ``growth`` a frame, about ``centre``."""

    image: Tensor
    labels: Tensor
    mask: Tensor
    centre: tuple[float, float]
    shift: tuple[float, float]
    growth: float

    def grid(self, size: tuple[int, int], time: float) -> Tensor:
        """As ``Camera.grid``."""
        height, width = size
        scale = max(1 + self.growth * time, 0.2)
        y = ((torch.arange(height) + 0.5) / height - self.centre[1] - self.shift[1] * time) / scale + self.centre[1]
        x = ((torch.arange(width) + 0.5) / width - self.centre[0] - self.shift[0] * time) / scale + self.centre[0]
        return torch.stack([(2 * x - 1).expand(height, width), (2 * y[:, None] - 1).expand(height, width)], -1)


def moving_still(
    still: Pair, donors: Sequence[Pair], things: Sequence[int], frames: int, rng: np.random.Generator
) -> Iterator[tuple[Rgb, Labels]]:
    """``frames`` frames, uint8 ``[H, W, 3]``, with their labels ``[H, W]`` (255 where the still does not reach).

    donors: stills of the same size that objects of the classes ``things`` are taken from.
    """
    image, labels = (still[0].flip(-1), still[1].flip(-1)) if rng.random() < 0.5 else still
    camera = _camera(rng)
    cutouts = [c for donor in donors if (c := _cutout(donor, things, camera, rng)) is not None]
    size = (int(labels.shape[0]), int(labels.shape[1]))
    times = range(frames) if rng.random() < 0.5 else range(frames - 1, -1, -1)
    for time in times:
        rgb, truth = _sample(image, labels, camera.grid(size, time))
        for cutout in cutouts:
            rgb, truth = _paste(rgb, truth, cutout, size, time)
        yield rgb.round().clamp(0, 255).byte().permute(1, 2, 0).contiguous().numpy(), truth.byte().numpy()


def _camera(rng: np.random.Generator) -> Camera:
    ground = float(np.exp(rng.uniform(*np.log(_SPEED))))
    wall = ground * float(rng.uniform(0.02, 0.3))
    turn = float(rng.normal(0, 0.004)) if rng.random() < 0.7 else float(rng.normal(0, 0.015))
    vanishing = float(rng.uniform(0.35, 0.65)), float(rng.uniform(0.35, 0.5))
    return Camera(vanishing, ground, wall, turn, float(rng.normal(0, 0.001)))


def _cutout(donor: Pair, things: Sequence[int], camera: Camera, rng: np.random.Generator) -> Cutout | None:
    """What a window of the donor shows of one class; None if it shows none of ``things``."""
    image, labels = donor
    height, width = labels.shape
    present = [c for c in things if int((labels == c).sum()) > 100]
    if not present:
        return None
    one = present[int(rng.integers(len(present)))]
    ys, xs = torch.nonzero(labels == one, as_tuple=True)
    k = int(rng.integers(len(ys)))
    half = int(rng.integers(height // 10, height // 3))
    top, left = max(int(ys[k]) - half, 0), max(int(xs[k]) - half, 0)
    near = torch.zeros_like(labels, dtype=torch.bool)
    near[top : top + 2 * half, left : left + 2 * half] = True
    core = ((labels == one) & near).float()[None]
    mask = F.max_pool2d(core, _MARGIN + 1, 1, _MARGIN // 2)[0] > 0
    speed = camera.ground * float(rng.uniform(0, 1.5))
    shift = float(rng.normal(0, 0.25)) * speed - camera.turn, float(rng.normal(0, 0.05)) * speed
    centre = int(xs[k]) / width, int(ys[k]) / height
    return Cutout(image, labels, mask, centre, shift, float(rng.uniform(-0.3, 1)) * speed)


def _sample(image: Tensor, labels: Tensor, grid: Tensor) -> tuple[Tensor, Tensor]:
    inside = (grid.abs() <= 1).all(-1)
    rgb = F.grid_sample(image[None].float(), grid[None], padding_mode="border", align_corners=False)[0]
    truth = F.grid_sample(labels[None, None].float(), grid[None], mode="nearest", align_corners=False)[0, 0]
    return rgb, torch.where(inside, truth, float(IGNORE))


def _paste(rgb: Tensor, truth: Tensor, cutout: Cutout, size: tuple[int, int], time: float) -> tuple[Tensor, Tensor]:
    grid = cutout.grid(size, time)
    layers = torch.cat([cutout.image.float(), cutout.mask[None].float()])
    sampled = F.grid_sample(layers[None], grid[None], align_corners=False)[0]
    labels = F.grid_sample(cutout.labels[None, None].float(), grid[None], mode="nearest", align_corners=False)[0, 0]
    share = sampled[3]
    return torch.lerp(rgb, sampled[:3], share), torch.where(share > 0.5, labels, truth)


def noisy(frames: NDArray[np.uint8], rng: np.random.Generator, strength: float) -> NDArray[np.uint8]:
    """Sensor noise of up to ``strength`` grey levels."""
    noise = rng.normal(0, rng.uniform(0, strength), frames.shape)
    return np.clip(frames + noise, 0, 255).round().astype(np.uint8)
