"""What each part of ``offline`` and ``live`` is worth: mIoU without it, on drives and on a labelled sequence.

    python benchmarks/ablations.py [--sequence IMAGES LABELS] [--phases 2] [--interval 12]

Every column leaves one part out (scoremap/matching and gathering, policies/side): the correction of displacements,
that frames hand on corrected ones, the search where motion is fast (video/around), the weights by how well pictures
match, what neighbouring key frames say of a key frame; the last one compares every cell, also those that are settled.
Nothing is cached: the variants change what taplab does.
"""

from taplab.machine import machine  # isort: skip  (first: taplab sets how torch's threads wait)

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from taplab import PaperSettings, load_model
from taplab.data.clips import ClipSet
from taplab.data.drives import drive_clips
from taplab.data.sequence import sequence_clips
from taplab.evaluation.cache import Cache
from taplab.evaluation.score import evaluate
from taplab.evaluation.trials import Draw, Encoding
from taplab.evaluation.ways import Way
from taplab.policies.side import Side, _composed, _corrected
from taplab.types import IGNORE


def work_out_alone(side: Side) -> None:
    """In place of ``Side._work_out``: hands on what the stream says, and corrects only what it gives itself."""
    with side._lock:
        if side._open is None:
            return
        frame, steps = side._open
        straight = [(field, one.__dict__.get("straight")) for field, one in steps]
        side.straight = _composed(frame, side.key.cells, straight)
        side._displacement, side._open = _corrected(frame, side.key, straight), None


_SCOREMAP, _POLICIES = "taplab.scoremap", "taplab.policies"
PARTS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "no correction": {f"{_SCOREMAP}.matching.refine": lambda now, key, way, *settings: way},
    "not handed on": {f"{_POLICIES}.side.Side._work_out": work_out_alone},
    "not refined": {"taplab.video.around.FAST": np.inf},
    "no weights": {f"{_SCOREMAP}.gathering._WEIGHT": np.ones(2048, np.float32)},
    "no memory": {f"{_POLICIES}.offline.HISTORY": 1e-6, f"{_POLICIES}.live.HISTORY": 1e-6},
    "all compared": {
        f"{_SCOREMAP}.cells.settled": lambda now, sides, strange=0: np.full(now.shape[:2], IGNORE, np.uint8)
    },
}


def materials(args: argparse.Namespace) -> Iterator[tuple[str, ClipSet, str]]:
    """Name, clips, network."""
    for speed in ("slow", "medium", "fast"):
        yield f"drives, {speed}", drive_clips((101, 102), 360, 480, 49, speeds=(speed,)), "bl2-synthetic"
    if args.sequence:
        yield "sequence", sequence_clips(*args.sequence, "camvid", 15.0), "bl2-camvid"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sequence", nargs=2, type=Path, metavar=("IMAGES", "LABELS"))
    parser.add_argument("--phases", type=int, default=2)
    parser.add_argument("--interval", type=int, default=12)
    args = parser.parse_args()
    print(f"{machine()}; MPEG-4, quality 3, a key frame every {args.interval}\n")
    print("| material | per-frame | mode | " + " | ".join(PARTS) + " |\n|" + " --- |" * (3 + len(PARTS)))
    ways = [Way(mode, PaperSettings(("ffw",), interval=args.interval)) for mode in ("offline", "live")]
    for name, clips, network in materials(args):
        model = load_model(network)
        found: dict[str, list[str]] = {way.mode: [] for way in ways}
        for parts in PARTS.values():
            with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
                for place, value in parts.items():
                    stack.enter_context(patch(place, value))
                every = [Way("per-frame"), *ways]
                encoding, draw = Encoding("mpeg4", quality=3), Draw(args.phases, 0)
                scores = evaluate(clips, model, every, encoding, draw, Cache(Path(folder)), rounds=0)
            for score in scores[1:]:
                found[score.mode].append(f"{100 * score.miou:.1f}")
        for mode, cells in found.items():
            print(f"| {name} | {100 * scores[0].miou:.1f} | {mode} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
