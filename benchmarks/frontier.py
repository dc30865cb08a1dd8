"""Accuracy against the network's work: what taplab gives, beside what a user would do instead.

    python benchmarks/frontier.py --sequence IMAGES LABELS [--every 4] [--phases 6] [--cache DIR] [-o FOLDER]

On a labelled sequence such as CamVid's, or every n-th frame of it (n times the motion): the network on every frame, in
full and at lower resolutions; a lighter network on every frame; FFW, live and offline with key frames every 2 to 12
frames; the same two with bl2-warp, a network made for warping. The cost is in multiply-adds, those of bl2-camvid on
every frame being 1; at 1024x2048 that is 39 G a frame. A table, and with -o a picture (frontier.png, .svg) and its
data.
"""

from taplab.machine import machine  # isort: skip  (first: taplab sets how torch's threads wait)

import argparse
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from taplab import PaperSettings, TorchModel, load_model
from taplab.data.clips import ClipSet
from taplab.data.sequence import sequence_clips
from taplab.evaluation.cache import Cache
from taplab.evaluation.figures.style import footer, new_axes, new_figure, styled
from taplab.evaluation.score import evaluate
from taplab.evaluation.trials import Draw, Encoding
from taplab.evaluation.ways import Way
from taplab.models.base import Model
from taplab.models.cost import multiply_adds

SIZE = (1024, 2048)
SCALES = (0.85, 0.75, 0.65, 0.5)
INTERVALS = (12, 6, 4, 3, 2)
COLOURS = {
    "lower resolution": "#666666",
    "lighter network": "#D55E00",
    "FFW": "#0072B2",
    "live": "#E69F00",
    "offline": "#009E73",
    "live, bl2-warp": "#56B4E9",
    "offline, bl2-warp": "#CC79A7",
}


@dataclass(frozen=True)
class Point:
    """series: what is joined by a line. cost: multiply-adds, 1 for the network on every frame."""

    series: str
    setting: str
    cost: float
    miou: float
    network_cost: float


class Reduced(Model):
    """``model`` on frames of a lower resolution, ``scale`` times as high and wide."""

    def __init__(self, model: TorchModel, scale: float) -> None:
        self.model, self.scale = model, scale
        self.name, self.classes, self.palette = f"{model.name} at {scale:g}", model.classes, model.palette
        self.net = model.net  # whose weights are looked at to tell cached counts apart

    def __call__(self, images: NDArray[np.uint8]) -> Tensor:
        """Scores at the network's stride of the smaller frame."""
        size = [round(side * self.scale) for side in images.shape[1:3]]
        planes = torch.from_numpy(images).permute(0, 3, 1, 2).float()
        small = F.interpolate(planes, size, mode="bilinear", align_corners=False, antialias=True)
        return self.model(small.round().clamp(0, 255).byte().permute(0, 2, 3, 1).contiguous().numpy())


def measured(clips: ClipSet, phases: int, cache: Cache) -> list[Point]:
    """All points, the network on every frame first."""
    full, light, warp = load_model("bl2-camvid"), load_model("bl1-camvid"), load_model("bl2-warp")
    assert isinstance(full, TorchModel)
    assert isinstance(light, TorchModel)
    draw, encoding = Draw(phases, 0), Encoding("mpeg4", quality=3)

    def run(model: Model, ways: list[Way]) -> list[tuple[float, float]]:
        scores = evaluate(clips, model, ways, encoding, draw, cache, rounds=0)
        return [(100 * score.miou, score.network_cost) for score in scores]

    every = [Way("per-frame")]
    points = [Point("every frame", "in full", 1.0, *run(full, every)[0])]
    points += [
        Point("lower resolution", f"{scale:g}", scale**2, *run(Reduced(full, scale), every)[0]) for scale in SCALES
    ]
    lighter = multiply_adds(light.net, SIZE) / multiply_adds(full.net, SIZE)
    points.append(Point("lighter network", light.name, lighter, *run(light, every)[0]))
    for model, ending in ((full, ""), (warp, ", bl2-warp")):
        for mode in ("live", "offline") if ending else ("paper", "live", "offline"):
            ways = [Way(mode, PaperSettings(("ffw",), interval=interval)) for interval in INTERVALS]
            for way, (miou, cost) in zip(ways, run(model, ways), strict=True):
                series = ("FFW" if mode == "paper" else mode) + ending
                points.append(Point(series, f"every {way.settings.interval}", cost, miou, cost))
    return points


def draw_picture(points: list[Point], title: str, folder: Path) -> None:
    with styled():
        figure = new_figure(8.6, 5.2)
        axes = new_axes(figure, "multiply-adds, 1: the network on every frame (log)", "mIoU, %")
        axes.axhline(points[0].miou, color="#444444", linewidth=1, linestyle="--")
        axes.plot(1, points[0].miou, "*", color="#444444", markersize=13, label="every frame")
        for series, colour in COLOURS.items():
            places = sorted((p.cost, p.miou) for p in points if p.series == series)
            axes.plot(*zip(*places, strict=True), "o-", color=colour, markersize=5, linewidth=1.4, label=series)
        axes.set_xscale("log")
        axes.set_xticks([0.05, 0.1, 0.2, 0.35, 0.5, 1], labels=["0.05", "0.1", "0.2", "0.35", "0.5", "1"])
        axes.set_xticks([], minor=True)
        axes.set_title(title, loc="left")
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
        footer(figure, ["MPEG-4, quality 3", "networks: bl2-camvid; bl1-camvid is the lighter one", machine()])
        folder.mkdir(parents=True, exist_ok=True)
        figure.savefig(folder / "frontier.png", dpi=150, bbox_inches="tight")
        figure.savefig(folder / "frontier.svg", bbox_inches="tight", metadata={"Date": None})
    (folder / "frontier.json").write_text(json.dumps([vars(p) for p in points], indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sequence", nargs=2, type=Path, metavar=("IMAGES", "LABELS"), required=True)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--phases", type=int, default=6)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("-o", "--out", type=Path)
    args = parser.parse_args()
    clips = sequence_clips(*args.sequence, "camvid", 15.0)
    if args.every > 1:
        clips = replace(clips, clips=[clip.every(args.every) for clip in clips.clips])
    points = measured(clips, args.phases, Cache(args.cache))
    print(f"{machine()}\n\n| | setting | multiply-adds | mIoU |\n| --- | --- | --- | --- |")
    for p in points:
        print(f"| {p.series} | {p.setting} | {p.cost:.3f} | {p.miou:.1f} |")
    if args.out:
        draw_picture(points, f"CamVid sequence, {15 / args.every:g} Hz", args.out)


if __name__ == "__main__":
    main()
