"""File to labels: per-frame against taplab, in turn, in one run.

    python benchmarks/end_to_end.py [SOURCE] [--height 1024] [--width 2048] [--frames 48] [--model bl2-camvid]
        [--rounds 3] [--json FILE]

The ways take turns, and the best of the rounds counts. Nothing is written; the time runs from opening the file to the
last frame's labels. "bound" is what the network cost alone would allow: per-frame time x network cost; its share of the
total says how little the rest takes.
"""

from taplab.machine import machine  # isort: skip  (first: taplab sets how torch's threads wait)

import argparse
import json
import statistics
import tempfile
from pathlib import Path

from taplab import PaperSettings, Segmenter, SyntheticDrive, load_model
from taplab.video.encode import encode_clip

WAYS = {
    "per-frame": ("per-frame", None),
    "ffw, interval 12": ("paper", PaperSettings(("ffw",))),
    "ffw, interval 6": ("paper", PaperSettings(("ffw",), interval=6)),
    "live, interval 12": ("live", PaperSettings(("ffw",))),
    "offline, interval 12": ("offline", PaperSettings(("ffw",))),
    "offline, interval 6": ("offline", PaperSettings(("ffw",), interval=6)),
    "ffw+rgc+rgfs, interval 12": ("paper", PaperSettings(("ffw", "rgc", "rgfs"))),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", nargs="?")
    parser.add_argument("--height", type=int, default=1024)
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--model", default="bl2-camvid")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    model = load_model(args.model)
    with tempfile.TemporaryDirectory() as folder:
        source = args.source
        if source is None:
            drive = SyntheticDrive(args.height, args.width, args.frames, seed=3)
            source = encode_clip(Path(folder) / "drive.mp4", (rgb for rgb, _ in drive), codec="mpeg4")
        totals: dict[str, list] = {way: [] for way in WAYS}
        for r in range(args.rounds + 1):  # the first round warms up
            for way, (mode, settings) in WAYS.items():
                segmentation = Segmenter(model, mode=mode, settings=settings).stream(source, max_frames=args.frames)
                for _ in segmentation:
                    pass
                if r:
                    totals[way].append(segmentation.summary())
    rows = {}
    for way, summaries in totals.items():
        best = min(summaries, key=lambda s: s.seconds["total"])  # the least disturbed round
        rows[way] = {
            "network_cost": best.network_cost,
            "fps": best.fps,
            "seconds": best.seconds,
            "frames": best.frames,
        }
    base = rows["per-frame"]["seconds"]["total"]
    first = totals["per-frame"][0]
    print(f"{first.frames} frames of {first.width}x{first.height}, {args.model}, {machine()}\n")
    print("| | network cost | fps | ratio | bound / total | network s | rest s |\n|" + " --- |" * 7)
    for way, row in rows.items():
        total = row["seconds"]["total"]
        bound = base * row["network_cost"] / total
        rest = statistics.fsum(v for k, v in row["seconds"].items() if k not in ("total", "network"))
        print(
            f"| {way} | {row['network_cost']:.3f} | {row['fps']:.2f} | {base / total:.2f} | {bound:.2f} "
            f"| {row['seconds']['network']:.2f} | {rest:.2f} |"
        )
    if args.json:
        args.json.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=2))


if __name__ == "__main__":
    main()
