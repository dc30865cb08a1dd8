"""What is fixed before a training begins: the paper's protocol, and the recipe of the bundled weights."""

import math
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from taplab.errors import SettingError
from taplab.training.augment import Augmentation

Recipe = Literal["paper", "road", "crops"]
Crops = tuple[tuple[float, tuple[int, int]], ...]

SMALLEST = 32  # rows and columns of a crop: the last features are at 1/32


@dataclass(frozen=True)
class TrainSettings:
    """The recipe. Its defaults are those of ``road`` on CamVid at 360x480.

    Checkpoints from before a field existed are read with its default: a new field must default to what was done before.

    crops: each entry is (share of the steps, (rows, columns)), one after the other, so that they may grow; if
    ``mixed``, drawn anew at each step.
    ema: decay of the averaged weights; 0 keeps the last ones. auxiliary: weight of a second classifier's loss; 0 for
    none. label_step: the loss looks at every n-th row and column. clip: largest norm of the gradient; 0 for any.
    balanced: classes are weighted by 1 / ln(1.10 + their share of the pixels).
    """

    steps: int = 7000
    batch: int = 8
    crops: Crops = ((0.35, (224, 288)), (0.35, (288, 352)), (0.3, (352, 480)))
    rate: float = 2e-3
    warmup: int = 300
    power: float = 0.9  # of the "poly" schedule
    weight_decay: float = 0.02
    jaccard: float = 0.5
    auxiliary: float = 0.4
    smoothing: float = 0.0
    ema: float = 0.999
    rare_below: float = 0.02  # classes with a smaller share of the pixels are "rare"
    seed: int = 0
    validate_every: int = 460
    checkpoint_every: int = 230
    amp: bool = True
    augmentation: Augmentation = field(default_factory=Augmentation)
    name: Recipe = "road"
    optimiser: Literal["adamw", "adam"] = "adamw"  # both with betas (0.9, 0.999)
    balanced: bool = True
    label_step: int = 2
    clip: float = 5.0
    mixed: bool = False

    def __post_init__(self) -> None:
        if self.steps < 1 or not 0 < self.rate < math.inf:
            raise SettingError(f"steps {self.steps}, rate {self.rate}: both must be numbers above 0")
        for _, (rows, columns) in self.crops:
            if min(rows, columns) < SMALLEST:
                raise SettingError(
                    f"crops of {rows}x{columns}: take at least {SMALLEST}x{SMALLEST}, "
                    "which is one cell of the networks' coarsest features"
                )

    def crop(self, step: int) -> tuple[int, int]:
        """Size of the crops at this step."""
        if self.mixed:
            rng = np.random.default_rng((self.seed, 4, step))
            return self.crops[int(rng.choice(len(self.crops), p=[share for share, _ in self.crops]))][1]
        done = 0.0
        for share, size in self.crops:
            done += share
            if step < done * self.steps:
                return size
        return self.crops[-1][1]

    def rate_at(self, step: int) -> float:
        """Learning rate, see ``poly``."""
        return self.rate * poly(step, self.steps, self.warmup, self.power)

    def within(self, size: tuple[int, int]) -> "TrainSettings":
        """The same with no crop of more rows or columns than ``size``, that of the smallest image."""
        crops = tuple((share, (min(rows, size[0]), min(columns, size[1]))) for share, (rows, columns) in self.crops)
        return replace(self, crops=crops)

    def __str__(self) -> str:
        crops = ", ".join(f"{rows}x{columns}" for _, (rows, columns) in self.crops)
        return f"recipe {self.name}, batch {self.batch}, crops {crops}, rate {self.rate:g}, seed {self.seed}"


ROAD = TrainSettings()

# Sec. 4.1. Adam's weight decay is the L2 penalty on every parameter; the rate falls from the first step on.
PAPER = TrainSettings(
    name="paper",
    steps=20_000,
    crops=((1.0, (600, 600)),),
    rate=2e-4,
    warmup=0,
    optimiser="adam",
    weight_decay=1e-6,
    clip=0.0,
    jaccard=0.0,
    auxiliary=0.0,
    balanced=False,
    label_step=1,
    ema=0.0,
    amp=False,
    validate_every=1000,
    checkpoint_every=250,
    augmentation=Augmentation(scale=(0.5, 2.0), colour=0.0, gamma=0.0, noise=0.0, rare_crop=0.0, paste=0.0),
)

# For a trained network (--init) that shall see regions of a frame as well as it sees frames: half of the steps show it
# pieces of the size that RGC asks for.
CROPS = replace(
    ROAD,
    name="crops",
    steps=1500,
    crops=((0.25, (176, 176)), (0.25, (192, 192)), (0.5, (352, 480))),
    rate=3e-4,
    warmup=100,
    mixed=True,
)

RECIPES: dict[str, TrainSettings] = {"paper": PAPER, "road": ROAD, "crops": CROPS}

_LARGE: Crops = ((0.35, (448, 576)), (0.35, (576, 704)), (0.3, (704, 960)))

# What a recipe does differently on a data set: crops that fit its images, steps that fit their number. The paper gives
# its crops on Cityscapes, but no steps.
_ON: dict[tuple[str, str], TrainSettings] = {
    ("paper", "cityscapes"): replace(PAPER, steps=80_000, crops=((1.0, (800, 800)),)),
    ("road", "cityscapes"): replace(ROAD, steps=40_000, crops=_LARGE),
    ("crops", "cityscapes"): replace(CROPS, crops=((0.5, (512, 512)), (0.5, (704, 960)))),
    ("road", "synthetic"): replace(ROAD, steps=3500, crops=((0.5, (192, 256)), (0.3, (256, 384)), (0.2, (384, 640)))),
}


def recipe_for(name: str, data: str) -> TrainSettings:
    """The recipe of that name for ``camvid``, ``cityscapes``, ... Raises SettingError for another name."""
    if name not in RECIPES:
        raise SettingError(f"--recipe {name}: choose from {', '.join(RECIPES)}")
    return _ON.get((name, data), RECIPES[name])


def poly(step: int, steps: int, warmup: int, power: float = 0.9) -> float:
    """The share of the learning rate at a step: linear warm-up, then ``(1 - step / steps) ** power``."""
    left: float = (1 - step / steps) ** power
    return min(1.0, (step + 1) / max(warmup, 1)) * left
