"""Milliseconds a frame of every stage that is not the network, at 1024x2048, one after another on one thread.

    python benchmarks/stages.py [--height 1024] [--width 2048] [--frames 36] [--rounds 3] [--json FILE]

A synthetic drive is encoded by the real encoders; stages are timed on its P- and B-frames; the median of the rounds
is printed. "decode" is PyAV without vectors on one thread, the floor; the ratio to it stands beside each stage.
"""

from taplab.machine import machine  # isort: skip  (first: taplab sets how torch's threads wait)

import argparse
import json
import statistics
import tempfile
import time
from collections import defaultdict
from fractions import Fraction
from pathlib import Path

import av
import torch

from taplab import SyntheticDrive, load_model
from taplab.labels import labels_from_scores
from taplab.modules.ffw import Carried, propagate
from taplab.output.masks import MaskWriter
from taplab.output.overlay import OverlayWriter
from taplab.types import Result
from taplab.video.encode import encode_clip
from taplab.video.reader import Video

CLIPS = {
    "mpeg4": {"codec": "mpeg4"},
    "h264": {"codec": "h264"},
    "h264 with B-frames": {"codec": "h264", "options": {"bf": "3"}},
}


def plain_decode(clip: Path) -> float:
    """Seconds for all frames on one thread, no vectors exported, nothing converted."""
    with av.open(str(clip)) as container:
        container.streams.video[0].thread_type = "NONE"
        started = time.perf_counter()
        for _ in container.decode(video=0):
            pass
        return time.perf_counter() - started


def one_round(clip: Path, frames: int, model, folder: Path) -> dict[str, float]:
    """Milliseconds a frame of each stage."""
    seconds: dict[str, float] = defaultdict(float)
    seconds["decode"] = plain_decode(clip)
    video = Video(clip)
    known: dict[int, Carried] = {}
    results = []
    for frame in video.frames():
        _ = frame.residual  # timed by the video's own stopwatch
        size = frame.height, frame.width
        carried = None
        if frame.motion is not None:
            started = time.perf_counter()
            carried = propagate(frame.motion, known, size)
            scores = carried.for_labels(size)
            seconds["warp"] += time.perf_counter() - started
            started = time.perf_counter()
            labels = labels_from_scores(scores, size)
            seconds["labels"] += time.perf_counter() - started
            results.append((frame, labels))
        if carried is None:
            carried = Carried(model(frame.rgb()[None])[0])
        if frame.is_reference:
            known = {**dict(list(known.items())[-4:]), frame.index: carried}
    warped = len(results)
    for stage in ("motion", "residual"):
        seconds[stage] = video.stopwatch.seconds[stage]
    seconds["decode with vectors"] = video.stopwatch.seconds["decode"]
    seconds.update(writing(results, model.palette, folder))
    per = dict.fromkeys(("decode", "decode with vectors"), frames)
    return {stage: 1e3 * s / per.get(stage, warped) for stage, s in seconds.items()}


def writing(results: list, palette, folder: Path) -> dict[str, float]:
    """Seconds until everything is on the disk, for masks and for the overlay."""
    out = {}
    height, width = results[0][1].shape
    for name in ("masks", "overlay"):
        started = time.perf_counter()
        if name == "masks":
            writer = MaskWriter(folder / "masks", palette)
        else:
            writer = OverlayWriter(folder / "o.mp4", width, height, palette, time_base=Fraction(1, 15))
        with writer:
            for i, (frame, labels) in enumerate(sorted(results, key=lambda r: r[0].display)):
                writer.write(Result(i, labels, None, frame.kind, "warped", False, False, None, None, frame))
        out[f"write {name}"] = time.perf_counter() - started
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--height", type=int, default=1024)
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--frames", type=int, default=36)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    drive = SyntheticDrive(args.height, args.width, args.frames, seed=3)
    frames = [rgb for rgb, _ in drive]
    model = load_model("bl2-synthetic")
    table: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = {title: encode_clip(folder / f"{i}.mp4", frames, **how) for i, (title, how) in enumerate(CLIPS.items())}
        rounds = defaultdict(list)
        for r in range(args.rounds + 1):  # in turn, so that a noisy machine does not decide; the first one warms up
            for title, clip in clips.items():
                measured = one_round(clip, args.frames, model, folder)
                if r:
                    rounds[title].append(measured)
    for title, all_rounds in rounds.items():
        table[title] = {k: round(statistics.median(m[k] for m in all_rounds), 3) for k in all_rounds[0]}
    print(f"ms a frame (ratio to decode) at {args.height}x{args.width}, {machine()}\n")
    stages = list(next(iter(table.values())))
    print("| stage | " + " | ".join(table) + " |\n|" + " --- |" * (len(table) + 1))
    for stage in stages:
        cells = [f"{t[stage]:.2f} ({t[stage] / t['decode']:.2f})" for t in table.values()]
        print(f"| {stage} | " + " | ".join(cells) + " |")
    if args.json:
        args.json.write_text(
            json.dumps({"machine": machine(), "size": [args.height, args.width], "ms": table}, indent=2)
        )


if __name__ == "__main__":
    main()
