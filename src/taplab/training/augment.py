"""Random crops, scales, flips, colours and pasted objects for training on few images."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from taplab.types import IGNORE


@dataclass(frozen=True)
class Augmentation:
    """How strongly training images are changed."""

    scale: tuple[float, float] = (0.6, 2.0)  # log-uniform zoom
    colour: float = 0.3  # half width of brightness, contrast and saturation factors
    gamma: float = 0.25
    noise: float = 4.0  # largest standard deviation of added noise, grey levels
    rare_crop: float = 0.4  # share of crops that are centred on a rare class
    paste: float = 0.4  # share of images that get another image's rare objects

    @property
    def changes_colours(self) -> bool:
        """Whether ``jitter_colour`` is part of it."""
        return bool(self.colour or self.gamma or self.noise)


def sample_crop(
    rng: np.random.Generator, image: Tensor, labels: Tensor, size: tuple[int, int], rare: list[int], how: Augmentation
) -> tuple[Tensor, Tensor]:
    """A random zoomed and flipped window.

    uint8 ``[3, H, W]`` and ``[H, W]`` to float ``[3, *size]`` in 0..255 and long ``size``.
    """
    zoom = float(np.exp(rng.uniform(*np.log(how.scale))))
    height, width = labels.shape
    ch, cw = round(size[0] / zoom), round(size[1] / zoom)  # window in source pixels
    top, left = _window_corner(rng, labels, (ch, cw), rare if rng.random() < how.rare_crop else [])
    y0, x0, y1, x1 = max(top, 0), max(left, 0), min(top + ch, height), min(left + cw, width)
    pad = (x0 - left, left + cw - x1, y0 - top, top + ch - y1)
    window = F.pad(image[:, y0:y1, x0:x1].float(), pad, value=118.0)[None]
    truth = F.pad(labels[y0:y1, x0:x1], pad, value=IGNORE)[None, None].float()
    window = F.interpolate(window, size, mode="bilinear", align_corners=False, antialias=zoom < 1)[0]
    truth = F.interpolate(truth, size, mode="nearest-exact")[0, 0]
    if rng.random() < 0.5:
        window, truth = window.flip(-1), truth.flip(-1)
    return window, truth.long()


def _window_corner(
    rng: np.random.Generator, labels: Tensor, window: tuple[int, int], rare: list[int]
) -> tuple[int, int]:
    """Top left corner; outside the image where the window is larger than it."""
    height, width = labels.shape
    slack_y, slack_x = height - window[0], width - window[1]
    top = int(rng.integers(min(slack_y, 0), max(slack_y, 0) + 1))
    left = int(rng.integers(min(slack_x, 0), max(slack_x, 0) + 1))
    present = [c for c in rare if bool((labels == c).any())]
    if present and slack_y > 0 and slack_x > 0:
        ys, xs = torch.nonzero(labels == present[int(rng.integers(len(present)))], as_tuple=True)
        k = int(rng.integers(len(ys)))
        top = int(np.clip(int(ys[k]) - rng.integers(window[0]), 0, slack_y))
        left = int(np.clip(int(xs[k]) - rng.integers(window[1]), 0, slack_x))
    return top, left


def paste_rare(
    rng: np.random.Generator, target: tuple[Tensor, Tensor], donor: tuple[Tensor, Tensor], rare: list[int]
) -> tuple[Tensor, Tensor]:
    """Objects of the rare classes of ``donor``, with a margin, over ``target``.

    They stay at their place, so that the layout stays likely.
    """
    image, labels = target
    donor_image, donor_labels = donor
    if donor_labels.shape != labels.shape:
        return target
    if rng.random() < 0.5:
        donor_image, donor_labels = donor_image.flip(-1), donor_labels.flip(-1)
    chosen = torch.tensor([c for c in rare if rng.random() < 0.6], dtype=donor_labels.dtype)
    seeds = torch.isin(donor_labels, chosen).float()[None]
    mask = F.max_pool2d(seeds, 7, stride=1, padding=3)[0] > 0
    return torch.where(mask, donor_image, image), torch.where(mask, donor_labels, labels)


def jitter_colour(rng: np.random.Generator, image: Tensor, how: Augmentation) -> Tensor:
    """Brightness, contrast, saturation, gamma, white balance and noise; float ``[3, H, W]`` in 0..255."""
    brightness, contrast, saturation = rng.uniform(1 - how.colour, 1 + how.colour, 3)
    balance = torch.from_numpy(rng.uniform(0.94, 1.06, (3, 1, 1)).astype(np.float32))
    image = image * (float(brightness) * balance)
    image = (image - image.mean()) * float(contrast) + image.mean()
    grey = image.mean(0, keepdim=True)
    image = ((image - grey) * float(saturation) + grey).clamp(0, 255)
    image = (image / 255).pow(float(rng.uniform(1 - how.gamma, 1 + how.gamma))) * 255
    if rng.random() < 0.5:
        noise = torch.from_numpy(rng.standard_normal(image.shape, dtype=np.float32))
        image = image + noise * float(rng.uniform(0, how.noise))
    return image.clamp(0, 255)
