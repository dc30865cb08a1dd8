"""Colours for models that bring none."""

import numpy as np
from numpy.typing import NDArray

from taplab.errors import SettingError
from taplab.types import IGNORE, Palette

BACKGROUND = (0, 0, 0)
FIRST = (230, 40, 60)  # a red that stands out from most pictures
LEVELS = 9  # of each channel among the candidates
DARKEST = 0.35  # lightness, 0 to 1: anything below looks black in an overlay

# Björn Ottosson's Oklab, in which equal distances look about equally far: linear RGB to cone responses to L, a, b.
_TO_CONES = ((0.4122, 0.5363, 0.0514), (0.2119, 0.6807, 0.1074), (0.0883, 0.2817, 0.6300))
_TO_LAB = ((0.2105, 0.7936, -0.0041), (1.9780, -2.4286, 0.4506), (0.0259, 0.7828, -0.8087))


def palette_for(n_classes: int) -> Palette:
    """RGB colours for classes 0..n-1, each as unlike all earlier ones as can be, and unlike black and white.

    Of two classes the first is the background: black. Raises SettingError outside 1..255 classes.
    """
    if not 1 <= n_classes <= IGNORE:
        raise SettingError(f"a palette for {n_classes} classes: there can be 1 to {IGNORE}; {IGNORE} itself is ignore")
    if n_classes == 2:
        return (BACKGROUND, FIRST)
    levels = np.linspace(0, 255, LEVELS)
    candidates = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
    return _far_apart(np.concatenate([[FIRST], candidates]), n_classes)


def _far_apart(candidates: NDArray[np.float64], count: int) -> Palette:
    """The first candidate, then each time the one farthest from those taken."""
    places = _oklab(candidates)
    candidates, places = candidates[places[:, 0] > DARKEST], places[places[:, 0] > DARKEST]
    nearest = _distance(places, _oklab(np.array([[0.0, 0, 0], [255, 255, 255], [128, 128, 128]])))
    chosen = [0]
    for _ in range(count - 1):
        nearest = np.minimum(nearest, _distance(places, places[chosen[-1:]]))
        chosen.append(int(nearest.argmax()))
    return tuple((int(r), int(g), int(b)) for r, g, b in candidates[chosen].round())


def _distance(places: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    distance: NDArray[np.float64] = np.linalg.norm(places[:, None] - others[None], axis=2).min(axis=1)
    return distance


def _oklab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    share = rgb / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    lab: NDArray[np.float64] = np.cbrt(linear @ np.array(_TO_CONES).T) @ np.array(_TO_LAB).T
    return lab
