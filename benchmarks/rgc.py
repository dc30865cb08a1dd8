"""Where does residual-guided correction pay? By size of frame, size of region and network.

    python benchmarks/rgc.py --sequence IMAGES LABELS [--model bl2-camvid] [--phases 6] [--cache DIR]
    python benchmarks/rgc.py --cityscapes ROOT [--model …]
    python benchmarks/rgc.py --synthetic 512x1024 --model bl2-synthetic

For square regions of a quarter to the whole of the height: mIoU of RGC against FFW, the network cost, FFW with as
many key frames as that cost allows instead, and the network's own mIoU when it sees the frame in tiles of that size
("tiles"): where that is far below the whole frame ("per-frame"), a crop lacks context, and RGC cannot pay.
"""

from taplab.machine import machine  # isort: skip  (first: taplab sets how torch's threads wait)

import argparse
from pathlib import Path

import torch

from taplab import PaperSettings, load_model
from taplab.config import rows_and_columns
from taplab.data.cityscapes import cityscapes_clips
from taplab.data.clips import ClipSet
from taplab.data.drives import drive_clips
from taplab.data.mapping import in_classes_of
from taplab.data.sequence import sequence_clips
from taplab.evaluation.cache import Cache
from taplab.evaluation.metrics import Confusion
from taplab.evaluation.score import evaluate
from taplab.evaluation.trials import Draw, Encoding
from taplab.evaluation.ways import Way
from taplab.labels import labels_from_scores
from taplab.models.base import Model

SHARES = (0.25, 0.375, 0.5, 0.75, 1.0)  # of the frame's height
GOP = 12


def main() -> None:
    args = arguments()
    model = load_model(args.model)
    clips, _ = in_classes_of(clips_of(args), model.classes)
    height, width = clips.clips[0].size
    sides = [min(round(share * height / 16) * 16, height // 16 * 16) for share in SHARES]
    costs = [1 / GOP + (1 - 1 / GOP) * side**2 / (height * width) for side in sides]
    corrected = [Way("paper", PaperSettings(("ffw", "rgc"), region=(side, side))) for side in sides]
    instead = [Way("paper", PaperSettings(("ffw",), interval=max(1, round(1 / cost)))) for cost in costs]
    ways = [Way("per-frame"), Way("paper"), *corrected, *instead]
    draw = Draw(min(args.phases, GOP), 0)
    scores = evaluate(clips, model, ways, Encoding(gop=GOP, quality=3), draw, Cache(args.cache), rounds=0)
    per_frame, ffw = scores[:2]
    print(f"{clips.name}, {width}x{height}, {model.name}: per-frame {100 * per_frame.miou:.1f}", end="")
    print(f", FFW every {GOP} {100 * ffw.miou:.1f} at cost {ffw.network_cost:.3f}; {machine()}\n")
    print("| region | RGC | cost | FFW with more key frames | cost | tiles |\n|" + " --- |" * 6)
    for side, rgc, more in zip(sides, scores[2:], scores[2 + len(sides) :], strict=False):
        print(
            f"| {side}x{side} | {100 * rgc.miou:.1f} ({100 * (rgc.miou - ffw.miou):+.1f}) | {rgc.network_cost:.3f} "
            f"| {100 * more.miou:.1f} | {more.network_cost:.3f} | {100 * in_tiles(clips, model, side):.1f} |"
        )


def in_tiles(clips: ClipSet, model: Model, side: int, most: int = 24) -> float:
    """mIoU of the network that sees the (unencoded) frames in tiles; of ``most`` labelled frames, evenly spread."""
    confusion = Confusion(clips.classes)
    labelled = [(clip, index) for clip in clips.clips for index in clip.labelled]
    for clip, index in labelled[:: max(1, len(labelled) // most)]:
        rgb, truth = clip.frame(index), clip.truth(index)
        for top in tile_starts(rgb.shape[0], side):
            for left in tile_starts(rgb.shape[1], side):
                box = slice(top, top + side), slice(left, left + side)
                with torch.inference_mode():
                    scores = model(rgb[box][None].copy())[0]
                confusion.add(truth[box], labels_from_scores(scores, truth[box].shape))
    return confusion.miou


def tile_starts(length: int, side: int) -> list[int]:
    """As few tiles as cover the length, evenly spread; they may overlap."""
    count = -(-length // side)
    return [k * (length - side) // max(count - 1, 1) for k in range(count)]


def clips_of(args: argparse.Namespace) -> ClipSet:
    if args.sequence:
        return sequence_clips(*args.sequence, "camvid", 15.0)
    if args.cityscapes:
        return cityscapes_clips(args.cityscapes)
    height, width = rows_and_columns("--synthetic", args.synthetic)
    return drive_clips((11, 12), height, width, 25)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--sequence", nargs=2, type=Path, metavar=("IMAGES", "LABELS"))
    source.add_argument("--cityscapes", type=Path, metavar="ROOT")
    source.add_argument("--synthetic", metavar="HxW")
    parser.add_argument("--model", default="bl2-camvid")
    parser.add_argument("--phases", type=int, default=6)
    parser.add_argument("--cache", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
