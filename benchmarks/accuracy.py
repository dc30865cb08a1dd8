"""Accuracy of every mode on every material, at the same network cost: mode x interval x material.

    python benchmarks/accuracy.py [--sequence IMAGES LABELS] [--cityscapes ROOT] [--phases 3] [--cache DIR]
        [--json FILE]

Synthetic drives (slow, medium, fast; no data needed) with bl2-synthetic; with --sequence a labelled sequence such as
CamVid's with bl2-camvid and bl1-camvid, at its own rate and at a quarter of it; with --cityscapes Cityscapes' snippets
in CamVid's classes. As MPEG-4, H.264 and H.264 with B-frames. Means over --phases positions of the key frames.
"""

from taplab.machine import machine  # isort: skip  (first: taplab sets how torch's threads wait)

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from taplab import PaperSettings, load_model
from taplab.data.cityscapes import cityscapes_clips
from taplab.data.clips import ClipSet
from taplab.data.drives import drive_clips
from taplab.data.mapping import in_classes_of
from taplab.data.sequence import sequence_clips
from taplab.evaluation.cache import Cache
from taplab.evaluation.score import Score, evaluate
from taplab.evaluation.trials import Draw, Encoding
from taplab.evaluation.ways import Way

INTERVALS = (12, 6, 4)
ENCODINGS = {
    "MPEG-4": Encoding("mpeg4", quality=3),
    "H.264": Encoding("h264"),
    "H.264 with B-frames": Encoding("h264", gop=48, b_frames=3),
}


def main() -> None:
    args = arguments()
    rows = []
    print(
        f"{machine()}\n\n| material | network | encoding | mode | " + " | ".join(f"every {i}" for i in INTERVALS) + " |"
    )
    print("|" + " --- |" * (4 + len(INTERVALS)))
    for name, clips, network, encoding in materials(args):
        model = load_model(network)
        mapped, _ = in_classes_of(clips, model.classes)
        modes = ("paper", "live", "offline")
        ways = [Way(mode, PaperSettings(("ffw",), interval=i)) for mode in modes for i in INTERVALS]
        draw = Draw(min(args.phases, 12), 0)
        scores = evaluate(
            mapped, model, [Way("per-frame"), *ways], ENCODINGS[encoding], draw, Cache(args.cache), rounds=0
        )
        rows += [{"material": name, "encoding": encoding, **score.as_json()} for score in scores]
        print_rows(f"| {name} | {network} | {encoding} |", modes, scores)
    if args.json:
        args.json.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=2) + "\n")


def print_rows(head: str, modes: tuple[str, ...], scores: list[Score]) -> None:
    print(f"{head} per-frame | {100 * scores[0].miou:.1f} |" + " |" * (len(INTERVALS) - 1))
    for k, mode in enumerate(modes):
        own = scores[1 + k * len(INTERVALS) : 1 + (k + 1) * len(INTERVALS)]
        cells = " | ".join(f"{100 * s.miou:.1f} ({s.network_cost:.2f})" for s in own)
        print(f"{head} {'FFW' if mode == 'paper' else mode} | {cells} |", flush=True)


def materials(args: argparse.Namespace) -> Iterator[tuple[str, ClipSet, str, str]]:
    """Name, clips, network, encoding."""
    for speed in ("slow", "medium", "fast"):
        drives = drive_clips((21, 22), 360, 480, 49, speeds=(speed,))
        for encoding in ENCODINGS:
            yield f"drives, {speed}", drives, "bl2-synthetic", encoding
    if args.sequence:
        whole = sequence_clips(*args.sequence, "camvid", 15.0)
        for encoding in ENCODINGS:
            yield "sequence", whole, "bl2-camvid", encoding
        yield "sequence", whole, "bl1-camvid", "MPEG-4"
        yield "sequence, every 4th frame", replace(whole, clips=[whole.clips[0].every(4)]), "bl2-camvid", "MPEG-4"
    if args.cityscapes:
        for encoding in ("MPEG-4", "H.264"):
            yield "Cityscapes snippets", cityscapes_clips(args.cityscapes), "bl2-camvid", encoding


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sequence", nargs=2, type=Path, metavar=("IMAGES", "LABELS"))
    parser.add_argument("--cityscapes", type=Path, metavar="ROOT")
    parser.add_argument("--phases", type=int, default=3)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
