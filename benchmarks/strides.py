"""How fine need scores be that are carried? mIoU with the scores of one network, averaged to several output strides.

    python benchmarks/strides.py [--seeds 101,102] [--phases 2] [--interval 12] [--zoom 1.5]

On fast drives. The network is bl2-synthetic, shown the picture ``--zoom`` times as large, its scores upsampled to the
size of the picture, so that they hold finer things than its own stride of 4. Nothing is cached.
"""

from taplab.machine import machine  # isort: skip  (first: taplab sets how torch's threads wait)

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from taplab import PaperSettings, load_model
from taplab.data.clips import ClipSet
from taplab.data.drives import drive_clips
from taplab.evaluation.cache import Cache
from taplab.evaluation.remember import Remembering
from taplab.evaluation.score import evaluate
from taplab.evaluation.trials import Draw, Encoding
from taplab.evaluation.ways import Way
from taplab.models.base import Model

ROWS = {  # -> stride, times upsampled
    "1": (1, 1),
    "2": (2, 1),
    "4": (4, 1),
    "8": (8, 1),
    "8, upsampled": (8, 2),
    "16": (16, 1),
    "16, upsampled": (16, 4),
}
WAYS = [("per-frame", False), *((mode, edges) for mode in ("paper", "live", "offline") for edges in (False, True))]


class Fine(Model):
    """A network that gives scores of the size of the picture."""

    def __init__(self, model: Model, zoom: float) -> None:
        self.model, self.zoom, self.name = model, zoom, f"{model.name}, fine"
        self.classes, self.palette = model.classes, model.palette

    def __call__(self, images: NDArray[np.uint8]) -> Tensor:  # noqa: D102 (see ``Model``)
        planes = torch.from_numpy(images).permute(0, 3, 1, 2).float()
        larger = F.interpolate(planes, scale_factor=self.zoom, mode="bicubic", align_corners=False)
        shown = larger.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
        return F.interpolate(self.model(shown), images.shape[1:3], mode="bilinear", align_corners=False)


class Coarser(Model):
    """A network with its scores averaged; remembered, as every row asks for the same."""

    def __init__(self, model: Model, stride: int) -> None:
        self.model, self.stride, self.name = model, stride, f"{model.name}, stride {stride}"
        self.classes, self.palette = model.classes, model.palette

    def __call__(self, images: NDArray[np.uint8]) -> Tensor:  # noqa: D102 (see ``Model``)
        return F.avg_pool2d(self.model(images), self.stride, ceil_mode=True, count_include_pad=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="101,102")
    parser.add_argument("--phases", type=int, default=2)
    parser.add_argument("--interval", type=int, default=12)
    parser.add_argument("--zoom", type=float, default=1.5)
    args = parser.parse_args()
    clips = drive_clips(tuple(int(seed) for seed in args.seeds.split(",")), 360, 480, 49, speeds=("fast",))
    fine = Remembering(Fine(load_model("bl2-synthetic"), args.zoom))
    print(f"{machine()}; 360x480, MPEG-4, quality 3, a key frame every {args.interval}\n")
    heads = [f"{mode}{', edges' if edges else ''}" for mode, edges in WAYS]
    print("| stride | " + " | ".join(heads) + " |\n|" + " --- |" * (1 + len(heads)))
    for title, (stride, divided) in ROWS.items():
        with patch("taplab.network.resampled", upsampled(divided)):
            cells = [measured(clips, Coarser(fine, stride), way, args) for way in WAYS]
        print(f"| {title} | " + " | ".join(cells) + " |", flush=True)


def upsampled(times: int) -> Callable[[Tensor, tuple[int, int]], Tensor]:
    """In place of ``taplab.output_stride.resampled``, which would choose."""
    if times == 1:
        return lambda scores, size: scores
    return lambda scores, size: F.interpolate(scores, scale_factor=times, mode="bicubic", align_corners=False)


def measured(clips: ClipSet, model: Model, way: tuple[str, bool], args: argparse.Namespace) -> str:
    """The mIoU of a mode, with edges or without, in per cent."""
    mode, edges = way
    settings = PaperSettings(("ffw",), interval=args.interval, edges=edges)
    draw, encoding = Draw(args.phases, 0), Encoding("mpeg4", quality=3)
    with tempfile.TemporaryDirectory() as folder:
        (score,) = evaluate(clips, model, [Way(mode, settings)], encoding, draw, Cache(Path(folder)), rounds=0)
    return f"{100 * score.miou:.1f}"


if __name__ == "__main__":
    main()
