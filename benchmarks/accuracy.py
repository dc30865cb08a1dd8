"""Accuracy of every mode on every material, at the same network cost: mode x interval x material.

    python benchmarks/accuracy.py [--sequence IMAGES LABELS] [--cityscapes ROOT] [--foreign CLIP MODEL] [--phases 3]
        [--rounds 0] [--cache DIR] [--json FILE]

Synthetic drives (slow, medium, fast; no data needed) with bl2-synthetic; with --sequence a labelled sequence such as
CamVid's with bl2-camvid, bl2-warp and bl1-camvid, at its own rate and at a quarter of it; with --cityscapes Cityscapes'
snippets in CamVid's classes. As MPEG-4, H.264 and H.264 with B-frames. With --foreign any network on any clip, by
agreement with itself on every frame. Means over --phases positions of the key frames; speed with --rounds.

Three tables: mIoU and network cost; what lies behind them at interval 12 (thin classes, distance from the key frame,
temporal consistency, speed); agreement of the foreign network.
"""

from taplab.machine import machine  # isort: skip  (first: taplab sets how torch's threads wait)

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from taplab import PaperSettings, Segmenter, load_model
from taplab.data.cityscapes import cityscapes_clips
from taplab.data.clips import ClipSet
from taplab.data.drives import drive_clips
from taplab.data.mapping import in_classes_of
from taplab.data.sequence import sequence_clips
from taplab.evaluation.cache import Cache
from taplab.evaluation.metrics import Confusion
from taplab.evaluation.score import Score, evaluate
from taplab.evaluation.trials import Draw, Encoding
from taplab.evaluation.ways import Way

INTERVALS = (12, 6, 4)
MODES = {"paper": "FFW", "live": "live", "offline": "offline"}
THIN = ("pole", "sign", "pedestrian", "bicyclist")
DISTANCES = (1, 6, 11)
ENCODINGS = {
    "MPEG-4": Encoding("mpeg4", quality=3),
    "H.264": Encoding("h264"),
    "H.264 with B-frames": Encoding("h264", gop=48, b_frames=3),
}
FOREIGN_FRAMES = 120


def main() -> None:
    args = arguments()
    rows = []
    first = " | ".join(f"every {i}" for i in INTERVALS)
    print(f"{machine()}\n\n| material | network | encoding | mode | {first} |\n|" + " --- |" * (4 + len(INTERVALS)))
    for name, clips, network, encoding in materials(args):
        model = load_model(network)
        mapped, _ = in_classes_of(clips, model.classes)
        ways = [Way(mode, PaperSettings(("ffw",), interval=i)) for mode in modes_of(network) for i in INTERVALS]
        draw, cache = Draw(min(args.phases, 12), 0), Cache(args.cache)
        every = [Way("per-frame"), *ways]
        scores = evaluate(mapped, model, every, ENCODINGS[encoding], draw, cache, rounds=args.rounds)
        rows.append((f"| {name} | {network} | {encoding} |", scores))
        print_accuracy(*rows[-1])
    print_behind(rows)
    if args.foreign:
        print_agreement(*args.foreign)
    if args.json:
        plain = [{"row": head, **score.as_json()} for head, scores in rows for score in scores]
        args.json.write_text(json.dumps({"machine": machine(), "rows": plain}, indent=2) + "\n")


def modes_of(network: str) -> tuple[str, ...]:
    """FFW compares no pictures, so a network made for warping is there what it is without."""
    return ("live", "offline") if network == "bl2-warp" else tuple(MODES)


def print_accuracy(head: str, scores: list[Score]) -> None:
    print(f"{head} per-frame | {100 * scores[0].miou:.1f} |" + " |" * (len(INTERVALS) - 1))
    for own in by_mode(scores):
        cells = " | ".join(f"{100 * s.miou:.1f} ({s.network_cost:.2f})" for s in own)
        print(f"{head} {MODES[own[0].mode]} | {cells} |", flush=True)


def by_mode(scores: list[Score]) -> Iterator[list[Score]]:
    rest = iter(scores[1:])
    while own := list(islice(rest, len(INTERVALS))):
        yield own


def print_behind(rows: list[tuple[str, list[Score]]]) -> None:
    """At the longest interval, beside per-frame."""
    columns = [
        "thin classes",
        *(f"{d} after a key frame" for d in DISTANCES),
        "boundary IoU",
        "consistency",
        "speed-up",
    ]
    print("\n| material | network | encoding | mode | " + " | ".join(columns) + " |\n|" + " --- |" * (4 + len(columns)))
    for head, scores in rows:
        for score in (scores[0], *(own[0] for own in by_mode(scores))):
            thin = np.mean([score.iou.get(c) or 0 for c in THIN])
            cells = [f"{100 * thin:.1f}"]
            cells += [
                f"{100 * score.miou_by_distance[d]:.1f}" if d in score.miou_by_distance else "" for d in DISTANCES
            ]
            cells += [f"{100 * score.boundary_iou:.1f}", f"{100 * score.temporal_consistency:.1f}"]
            cells.append(f"{score.fps / scores[0].fps:.1f}" if score.fps == score.fps else "")
            mode = "per-frame" if score.mode == "per-frame" else MODES[score.mode]
            print(f"{head} {mode} | " + " | ".join(cells) + " |")


def print_agreement(clip: str, network: str) -> None:
    """Of labels with those of the same network on every frame: mIoU, and share of the pixels."""
    model = load_model(network)
    print(f"\n{Path(clip).name}, {model.name}, {FOREIGN_FRAMES} frames: agreement with per-frame, mIoU (pixels)\n")
    print("| mode | " + " | ".join(f"every {i}" for i in INTERVALS) + " |\n|" + " --- |" * (1 + len(INTERVALS)))
    truth = [r.labels for r in Segmenter(model, mode="per-frame").stream(clip, max_frames=FOREIGN_FRAMES)]
    for mode, title in MODES.items():
        cells = []
        for interval in INTERVALS:
            segmenter = Segmenter(model, mode=mode, settings=PaperSettings(("ffw",), interval=interval))
            confusion = Confusion(model.classes)
            for result in segmenter.stream(clip, max_frames=FOREIGN_FRAMES):
                confusion.add(truth[result.index], result.labels)
            cells.append(f"{100 * confusion.miou:.1f} ({100 * confusion.pixel_accuracy:.2f})")
        print(f"| {title} | " + " | ".join(cells) + " |", flush=True)


def materials(args: argparse.Namespace) -> Iterator[tuple[str, ClipSet, str, str]]:
    """Name, clips, network, encoding."""
    for speed in ("slow", "medium", "fast"):
        drives = drive_clips((21, 22), 360, 480, 49, speeds=(speed,))
        for encoding in ENCODINGS:
            yield f"drives, {speed}", drives, "bl2-synthetic", encoding
    large = drive_clips((21, 22), 1024, 2048, 25, speeds=("fast",))
    for encoding in ("MPEG-4", "H.264"):
        yield "drives, fast, 1024x2048", large, "bl2-synthetic", encoding
    if args.sequence:
        whole = sequence_clips(*args.sequence, "camvid", 15.0)
        fast = replace(whole, clips=[whole.clips[0].every(4)])
        for network in ("bl2-camvid", "bl2-warp"):
            for encoding in ENCODINGS:
                yield "sequence", whole, network, encoding
        yield "sequence", whole, "bl1-camvid", "MPEG-4"
        for network in ("bl2-camvid", "bl2-warp"):
            yield "sequence, every 4th frame", fast, network, "MPEG-4"
    if args.cityscapes:
        for network in ("bl2-camvid", "bl2-warp"):
            for encoding in ("MPEG-4", "H.264"):
                yield "Cityscapes snippets", cityscapes_clips(args.cityscapes), network, encoding


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sequence", nargs=2, type=Path, metavar=("IMAGES", "LABELS"))
    parser.add_argument("--cityscapes", type=Path, metavar="ROOT")
    parser.add_argument("--foreign", nargs=2, metavar=("CLIP", "MODEL"))
    parser.add_argument("--phases", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
