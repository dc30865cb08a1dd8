"""What a network made for warping learns from: frames, their labels, and what taplab carried to them.

Clips are made from stills (``moving``), encoded by a real encoder and segmented by taplab itself with the network that
will see the key frames. So the follower sees in training what it will see in use: real vectors and their errors.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from taplab.errors import SourceError
from taplab.files import whole
from taplab.models.base import Model
from taplab.policies import PaperSettings
from taplab.segmenter import Segmenter
from taplab.training.augment import Augmentation, jitter_colour
from taplab.training.moving import Pair, moving_still, noisy
from taplab.training.stock import Stock
from taplab.types import Labels, Rgb
from taplab.video.encode import encode_clip

GROUP = 12  # frames between the key frames of a clip
CODECS: tuple[tuple[str, tuple[int, ...], dict[str, str]], ...] = (
    ("mpeg4", (2, 3, 5, 8), {}),
    ("h264", (20, 23, 28), {}),
    ("h264", (20, 23, 28), {"bf": "2"}),
)
_SHARES = (0.6, 0.27, 0.13)  # of the clips
_NOISE = 3.0  # grey levels
_DONORS = 4  # stills at most that objects are taken from
_SMALL = 0.1  # share of all pixels below which a class is one of objects


@dataclass(frozen=True, eq=False)
class Samples:
    """Frames ``[N, H, W, 3]`` with labels ``[N, H, W]`` and, at the network's stride and in 1/255, probabilities
    carried to them and those of the network on the frame itself ``[N, C, h, w]``, and the match ``[N, h, w]``. All are
    uint8.
    """

    frames: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    carried: NDArray[np.uint8]
    match: NDArray[np.uint8]
    network: NDArray[np.uint8]

    def save(self, path: Path) -> None:
        """Writes them to ``path``, whole or not at all."""
        with whole(path) as part:
            np.savez(part, **vars(self))

    @classmethod
    def load(cls, path: Path) -> "Samples":
        """What ``save`` wrote."""
        with np.load(path) as arrays:
            return cls(**arrays)


class Overheard(Model):
    """``model``, with a ``follow`` that only listens: ``heard`` is what was carried to each frame, in coded order."""

    follow_cost = 0.0

    def __init__(self, model: Model) -> None:
        self.model, self.name, self.device = model, model.name, model.device
        self.classes, self.palette = model.classes, model.palette
        self.heard: list[tuple[Rgb, Tensor, Tensor]] = []

    def __call__(self, images: NDArray[np.uint8]) -> Tensor:
        """See ``Model``."""
        return self.model(images)

    def follow(self, images: NDArray[np.uint8], carried: Tensor, match: Tensor) -> Tensor:
        """``carried``, as it came."""
        self.heard += [(images[k], carried[k], match[k, 0]) for k in range(len(images))]
        return carried


def carried_samples(stock: Stock, model: Model, clips: Iterable[int], each: int, seed: int) -> Samples:
    """``each`` frames of every one of ``clips``, made from the stills of ``stock`` and segmented with ``model``.

    Clip k is a function of ``seed`` and k: one still, and objects of the classes that are small in it from others.
    """
    things = [k for k, share in enumerate(stock.frequency.tolist()) if 0 < share < _SMALL]
    rows: list[tuple[NDArray[np.uint8], ...]] = []
    with TemporaryDirectory() as folder:
        for k in clips:
            rng = np.random.default_rng((seed, 2, k))
            rgb, labels = _clip(stock, things, rng)
            rows += _samples(Path(folder) / "clip.mkv", rgb, labels, model, each, rng)
    return Samples(*(np.stack(column) for column in zip(*rows, strict=True)))


def require_one_even_size(stock: Stock) -> None:
    """Raises SourceError for images that cannot be learnt from together, or that encoders do not take."""
    rows, columns = stock.sizes[0]
    for k, size in enumerate(stock.sizes):
        if size != (rows, columns) or rows % 2 or columns % 2:
            raise SourceError(
                f"{stock.named(k)}: {size[0]}x{size[1]} pixels (rows x columns); clips are made of images of one size, "
                "with even rows and columns: scale or cut them all to it"
            )


def _clip(stock: Stock, things: Sequence[int], rng: np.random.Generator) -> tuple[NDArray[np.uint8], list[Labels]]:
    still, *donors = (stock[int(k)] for k in rng.integers(len(stock), size=1 + int(rng.integers(0, _DONORS + 1))))
    donors = [donor for donor in donors if donor[1].shape == still[1].shape]
    if rng.random() < 0.5:
        still, *donors = (_recoloured(pair, rng) for pair in (still, *donors))
    frames = list(moving_still(still, donors, things, GROUP + 1, rng))
    return noisy(np.stack([rgb for rgb, _ in frames]), rng, _NOISE), [labels for _, labels in frames]


def _recoloured(pair: Pair, rng: np.random.Generator) -> Pair:
    return jitter_colour(rng, pair[0].float(), Augmentation()).round().byte(), pair[1]


def _samples(
    path: Path,
    rgb: NDArray[np.uint8],
    labels: Sequence[Labels],
    model: Model,
    each: int,
    rng: np.random.Generator,
) -> Iterator[tuple[NDArray[np.uint8], ...]]:
    codec, qualities, extra = CODECS[int(rng.choice(len(CODECS), p=_SHARES))]
    encode_clip(path, rgb, codec=codec, gop=GROUP, quality=float(rng.choice(qualities)), options=extra)
    overheard = Overheard(model)
    mode = "offline" if rng.random() < 0.5 else "live"
    segmenter = Segmenter(overheard, mode=mode, settings=PaperSettings(("ffw",), interval=GROUP), lanes=1)
    segmentation = segmenter.stream(path)
    segmentation.policy.glances = False  # it says nothing yet that is worth remembering
    followed = [result.frame for result in segmentation if result.origin == "followed"]
    followed.sort(key=lambda frame: frame.index)
    for k in rng.permutation(len(followed))[:each]:
        image, carried, match = overheard.heard[int(k)]
        own = model(image[None])[0].softmax(0)
        yield image, labels[followed[int(k)].display], _bytes(carried), _bytes(match), _bytes(own)


def _bytes(share: Tensor) -> NDArray[np.uint8]:
    """0..1 in steps of 1 / 255."""
    return (share.cpu() * 255).round().byte().numpy()
