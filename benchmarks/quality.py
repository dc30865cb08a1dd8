"""What was asked, what was predicted and what came out: budgets and losses on every material; and the relation behind.

    python benchmarks/quality.py [--sequence IMAGES LABELS] [--frames 97] [--fit]

Synthetic drives (slow, medium, fast; no data needed) with bl2-synthetic; with --sequence a labelled sequence such as
CamVid's with bl2-camvid, at its own rate and at a quarter of it. As H.264 with one key frame, so that nothing but the
dial decides. With --fit instead: mismatch, disagreement and loss at fixed intervals on other drives, and the constants
of ``policies.dial`` that follow from them.
"""

from taplab.machine import machine  # isort: skip  (first: taplab sets how torch's threads wait)

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from taplab import Model, PaperSettings, Segmenter, Summary, load_model
from taplab.data.clips import LabelledClip
from taplab.data.drives import drive_clips
from taplab.data.sequence import sequence_clips
from taplab.evaluation.metrics import Confusion
from taplab.evaluation.remember import Remembering
from taplab.types import Labels
from taplab.video.encode import encode_clip

SPEEDS = ("slow", "medium", "fast")
ASKED = [("quality", q) for q in (0.5, 1.0, 2.0)] + [("budget", b) for b in (0.05, 0.1, 0.2)]
MODES = ("offline", "live")
REPORTED, FITTED = (21, 22), (101, 102, 103, 104, 105)  # seeds of drives
INTERVALS = (6, 12, 24, 48)
QUANTILE = 0.9  # of the drives, that lose less than the relation says
GAIN_COUNTED = 0.5  # of what a drive gains at its best interval: other networks gain less


@dataclass(frozen=True, eq=False)
class Run:
    """Labels of one way of working, and its account."""

    miou: float
    labels: list[Labels]
    summary: Summary
    mismatch: float


def main() -> None:
    args = arguments()
    print(f"{machine()}\n")
    if args.fit:
        fit(args.frames)
        return
    print("| material | per-frame | mode | " + " | ".join(f"{name} {value:g}" for name, value in ASKED) + " |")
    print("|" + " --- |" * (3 + len(ASKED)))
    for name, clips, network in materials(args):
        rows = [row(clip, Remembering(network)) for clip in clips]
        every = np.mean([100 * base.miou for base, _ in rows])
        for k, mode in enumerate(MODES):
            cells = [cell([(base, runs[k][n]) for base, runs in rows]) for n in range(len(ASKED))]
            print(f"| {name} | {every:.1f} | {mode} | " + " | ".join(cells) + " |", flush=True)


def row(clip: LabelledClip, model: Model) -> tuple[Run, list[list[Run]]]:
    """Per-frame, and by mode what is asked."""
    with tempfile.TemporaryDirectory() as folder:
        path = encoded(clip, Path(folder))
        base = run(clip, path, Segmenter(model, mode="per-frame"))
        asked = [[run(clip, path, Segmenter(model, mode=m, **{name: v})) for name, v in ASKED] for m in MODES]
    return base, asked


def cell(runs: list[tuple[Run, Run]]) -> str:
    """Loss, the predicted one and the cost; means over clips."""
    loss = np.mean([100 * (base.miou - got.miou) for base, got in runs])
    predicted = np.mean([got.summary.predicted_loss or 0.0 for _, got in runs])
    cost = np.mean([got.summary.network_cost for _, got in runs])
    return f"{loss:+.1f} ({predicted:.1f}) at {cost:.3f}"


def run(clip: LabelledClip, path: Path, segmenter: Segmenter) -> Run:
    segmentation = segmenter.stream(path)
    confusion, labels = Confusion(segmenter.model.classes), []
    for result in segmentation:
        labels.append(result.labels)
        if result.index in clip.labelled:
            confusion.add(clip.truth(result.index), result.labels)
    forecast = segmentation.policy.forecast
    mismatch = 0.0 if forecast is None else forecast.mean
    return Run(confusion.miou, labels, segmentation.summary(), mismatch)


def encoded(clip: LabelledClip, folder: Path) -> Path:
    frames = (clip.frame(i) for i in range(len(clip)))
    return encode_clip(folder / f"{clip.name}.mkv", frames, codec="h264", fps=clip.fps, gop=1000)


def fit(frames: int) -> None:
    """Prints what was measured, and a relation for each mode."""
    model = load_model("bl2-synthetic")
    measured: dict[str, list[NDArray[np.float64]]] = {mode: [] for mode in MODES}
    for clip in drive_clips(FITTED, 360, 480, frames, speeds=SPEEDS).clips:
        remembering = Remembering(model)
        with tempfile.TemporaryDirectory() as folder:
            path = encoded(clip, Path(folder))
            base = run(clip, path, Segmenter(remembering, mode="per-frame"))
            for mode in MODES:
                rows = [fitted(clip, path, remembering, base, mode, interval) for interval in INTERVALS]
                measured[mode].append(np.array(rows))
    for mode, drives in measured.items():
        mismatch, differing = np.concatenate(drives)[:, :2].T
        gains = [GAIN_COUNTED * min(rows[:, 2].min(), 0) for rows in drives]
        loss = np.concatenate([np.maximum(rows[:, 2] - gain, 0) for rows, gain in zip(drives, gains, strict=True)])
        disagreement = float((mismatch * differing).sum() / (mismatch**2).sum())
        print(mode, "disagreement", round(disagreement, 2), *relation(disagreement * mismatch, loss))


def fitted(
    clip: LabelledClip, path: Path, model: Model, base: Run, mode: str, interval: int
) -> tuple[float, float, float]:
    """Mean mismatch, per cent of pixels that differ from per-frame, points of mIoU lost."""
    got = run(clip, path, Segmenter(model, mode=mode, settings=PaperSettings(("ffw",), interval=interval)))
    pairs = zip(base.labels, got.labels, strict=True)
    differing = 100 * float(np.mean([np.mean(a != b) for a, b in pairs]))
    row = got.mismatch, differing, 100 * (base.miou - got.miou)
    print(clip.name, mode, interval, np.round(row, 2), flush=True)
    return row


def relation(differing: NDArray[np.float64], loss: NDArray[np.float64]) -> tuple[str, float, str, float]:
    """``free`` and ``slope`` of the hinge that QUANTILE of the losses lie under."""

    def misfit(free: float, slope: float) -> float:
        above = loss - slope * np.maximum(differing - free, 0)
        return float(np.mean(np.where(above > 0, QUANTILE * above, (QUANTILE - 1) * above)))

    grid = [(misfit(f, s), f, s) for f in np.arange(1, 7, 0.05) for s in np.arange(0.5, 6, 0.05)]
    _, free, slope = min(grid)
    return "free", round(float(free), 2), "slope", round(float(slope), 2)


def materials(args: argparse.Namespace) -> Iterator[tuple[str, list[LabelledClip], Model]]:
    """Name, clips, network."""
    model = load_model("bl2-synthetic")
    for speed in SPEEDS:
        yield f"drives, {speed}", list(drive_clips(REPORTED, 360, 480, args.frames, speeds=(speed,)).clips), model
    if args.sequence:
        clips, network = sequence_clips(*args.sequence, "camvid", 15.0).clips, load_model("bl2-camvid")
        yield "sequence", list(clips), network
        yield "sequence, every 4th frame", [clips[0].every(4)], network


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sequence", nargs=2, type=Path, metavar=("IMAGES", "LABELS"))
    parser.add_argument("--frames", type=int, default=97, help="of each drive")
    parser.add_argument("--fit", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
