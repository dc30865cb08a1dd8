"""What is lost at every distance from a key frame: mIoU against that of the network on every frame, of the same frames.

    python benchmarks/distances.py IMAGES LABELS [--every 4] [--model bl2-warp] [--interval 12]

On a labelled sequence such as CamVid's, or every n-th frame of it (n times the motion), as MPEG-4, over all positions
of the key frames. A table: the distance; mIoU of per-frame, and how much more live and offline have.
"""

from taplab.machine import machine  # isort: skip  (first: taplab sets how torch's threads wait)

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from taplab import PaperSettings, load_model
from taplab.data.clips import ClipSet
from taplab.data.sequence import sequence_clips
from taplab.evaluation.cache import Cache
from taplab.evaluation.metrics import Confusion
from taplab.evaluation.protocol import segmentation_of
from taplab.evaluation.remember import Remembering
from taplab.evaluation.trials import Draw, Encoding, trials
from taplab.evaluation.ways import Way
from taplab.types import Result

MODES = ("per-frame", "live", "offline")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--model", default="bl2-warp")
    parser.add_argument("--interval", type=int, default=12)
    args = parser.parse_args()
    clips = sequence_clips(args.images, args.labels, "camvid", 15.0 / args.every)
    clips = replace(clips, clips=[clip.every(args.every) for clip in clips.clips])
    print(f"{machine()}; {clips.name}, every {args.every}, {args.model}, a key frame every {args.interval}\n")
    print("| frames since the key frame | per-frame | live | offline |\n| --- | --- | --- | --- |")
    for distance, per_frame, *others in rows(clips, args.model, args.interval):
        more = " | ".join(f"{100 * (miou - per_frame):+.1f}" for miou in others)
        print(f"| {distance} | {100 * per_frame:.1f} | {more} |")


def rows(clips: ClipSet, model: str, interval: int) -> Iterator[tuple[str | float, ...]]:
    """Each distance with the mIoU of every mode; then all of them together."""
    network = load_model(model)
    at = {mode: defaultdict(lambda: Confusion(network.classes)) for mode in MODES}
    whole = {mode: Confusion(network.classes) for mode in MODES}
    encoding = Encoding("mpeg4", interval, quality=3)
    with tempfile.TemporaryDirectory() as folder:
        for trial in trials(clips, interval, Draw(interval, 0)):
            source, known = Cache(Path(folder)).clip(trial, encoding), Remembering(network)
            results = {mode: list(segmentation_of(source, known, way(mode, interval))) for mode in MODES}
            assert [r.key for r in results["live"]] == [r.key for r in results["offline"]]
            for k, distance in enumerate(distances(results["live"])):
                truth = trial.clip.truth(trial.first + k)
                for mode in MODES:
                    at[mode][distance].add(truth, results[mode][k].labels)
                    whole[mode].add(truth, results[mode][k].labels)
    for distance in sorted(at["live"]):
        yield distance, *(at[mode][distance].miou for mode in MODES)
    yield "all", *(whole[mode].miou for mode in MODES)


def way(mode: str, interval: int) -> Way:
    """A mode at the cost of FFW."""
    return Way(mode, PaperSettings(("ffw",), interval=interval))


def distances(results: list[Result]) -> Iterator[int]:
    """Frames since the last key frame."""
    since = -1
    for result in results:
        since = 0 if result.key else since + 1
        yield since


if __name__ == "__main__":
    main()
