"""How the cost grows: with the length of a video, the size of its frames, the number of lanes and threads, and classes.

    python benchmarks/scaling.py [--quick] [--rounds 2] [--json FILE] [-o FOLDER]
    python benchmarks/scaling.py --measured FILE -o FOLDER

Milliseconds a frame from file to labels, on synthetic drives in MPEG-4 with bl2-synthetic; all ways in turn, medians.
Length and memory at 360x480; sizes up to 1440x2560; lanes on one thread and on all; classes at 360x480, where channels
that never win are added to the network's eleven. With -o a picture (scaling.png, .svg), also of a JSON FILE of before.
"""

from taplab.machine import machine  # isort: skip  (first: taplab sets how torch's threads wait)

import argparse
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from taplab import PaperSettings, SyntheticDrive, load_model
from taplab.evaluation.figures.style import footer, new_figure, plain, styled
from taplab.evaluation.speed import measure
from taplab.evaluation.ways import Way
from taplab.models.base import Model
from taplab.video.encode import encode_clip

SMALL = (360, 480)
LENGTHS = (24, 48, 96, 192, 384, 768)
SIZES = ((256, 512), (360, 640), (512, 1024), (720, 1280), (1024, 2048), (1440, 2560))
LANES = (1, 2, 4, 8)
CLASSES = (11, 19, 50, 150)
WAYS = [Way("per-frame"), *(Way(mode, PaperSettings(("ffw",))) for mode in ("paper", "live", "offline"))]
NAMES = ("per-frame", "FFW", "live", "offline")
_MEMORY = "#CC79A7"
COLOURS = dict(zip(("plain decoding", *NAMES), ("#666666", "#444444", "#0072B2", "#E69F00", "#009E73"), strict=True))


@dataclass(frozen=True)
class Point:
    """sweep: what grows. at: frames, megapixels, lanes or classes. ms: a frame. memory: MB at the peak, or None."""

    sweep: str
    at: float
    series: str
    ms: float
    memory: float | None


class Wider(Model):
    """``model`` with classes that never win, up to ``count`` of them."""

    def __init__(self, model: Model, count: int) -> None:
        self.model, self.more = model, count - len(model.classes)
        self.name = f"{model.name} with {count} classes"
        self.classes = (*model.classes, *(f"none {k}" for k in range(self.more)))
        self.palette = np.resize(model.palette, (count, 3))

    def __call__(self, images: NDArray[np.uint8]) -> Tensor:
        """Scores of all classes."""
        scores = self.model(images)
        return F.pad(scores, (0, 0, 0, 0, 0, self.more), value=float(scores.min()) - 20)


def drive(folder: Path, size: tuple[int, int], frames: int) -> Path:
    """A clip of a synthetic drive; it is driven there and back as often as is needed."""
    there = [rgb for rgb, _ in SyntheticDrive(*size, min(frames, 48), seed=3)]
    round_trip = [*there, *there[-2:0:-1]]
    pictures = (round_trip[k % len(round_trip)] for k in range(frames))
    return encode_clip(folder / f"{size[0]}x{size[1]}-{frames}.mp4", pictures, codec="mpeg4")


def points(sweep: str, at: float, clip: Path, model: Model, rounds: int, **how: int) -> Iterator[Point]:
    """Plain decoding and all ways."""
    found = measure(clip, model, WAYS, rounds=rounds, **how)
    yield Point(sweep, at, "plain decoding", 1e3 * found.plain_decode_seconds_per_frame, None)
    for name, mode in zip(NAMES, found.modes, strict=True):
        memory = None if mode.peak_memory is None else mode.peak_memory / 1e6
        yield Point(sweep, at, name, 1e3 * mode.seconds["total"] / mode.frames, memory)


def measured(folder: Path, rounds: int, quick: bool) -> Iterator[Point]:
    """All sweeps, each from its smallest."""
    model, most = load_model("bl2-synthetic"), 2 if quick else None
    lengths, sizes = LENGTHS[:most], SIZES[:most]
    longest = drive(folder, SMALL, lengths[-1])
    for frames in lengths:
        yield from points("length", frames, longest, model, rounds, frames=frames)
    for size in sizes:
        yield from points("size", size[0] * size[1] / 1e6, drive(folder, size, 24), model, rounds)
    clip = drive(folder, SMALL, 96)
    for threads in sorted({1, torch.get_num_threads()}):
        with torch_threads(threads):
            for lanes in LANES[:most]:
                for point in points(f"lanes, {threads} threads", lanes, clip, model, rounds, lanes=lanes):
                    if point.series == "offline":
                        yield point
    for classes in CLASSES[:most]:
        yield from points("classes", classes, clip, Wider(model, classes), rounds, frames=48)


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def draw(found: list[Point], folder: Path, on: str) -> None:
    with styled():
        figure = new_figure(11, 7)
        length, size, lanes, classes = figure.subplots(2, 2).flat
        _lines(length, found, "length", "frames", logarithmic=True)
        _lines(size, found, "size", "megapixels a frame")
        size.set_xscale("log", base=2)
        size.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        _lines(classes, found, "classes", "classes")
        plain(lanes, "lanes", "ms a frame, offline")
        for sweep in dict.fromkeys(p.sweep for p in found if p.sweep.startswith("lanes")):
            places = [(p.at, p.ms) for p in found if p.sweep == sweep]
            threads = sweep.removeprefix("lanes, ")
            lanes.plot(*zip(*places, strict=True), "o-", label="1 thread" if threads == "1 threads" else threads)
        lanes.set_ylim(0, 1.15 * max(p.ms for p in found if p.sweep.startswith("lanes")))
        lanes.legend(frameon=False)
        memory = length.twinx()
        places = [(p.at, p.memory) for p in found if p.sweep == "length" and p.series == "offline" and p.memory]
        if places:
            memory.plot(*zip(*places, strict=True), "s:", color=_MEMORY)
            memory.set_ylabel("peak memory of offline, MB", color=_MEMORY)
            memory.set_ylim(0, 1.3 * max(mb for _, mb in places))
        figure.legend(*size.get_legend_handles_labels(), loc="outside upper center", ncols=len(COLOURS), frameon=False)
        footer(figure, ["MPEG-4, bl2-synthetic, key frames every 12", on])
        folder.mkdir(parents=True, exist_ok=True)
        figure.savefig(folder / "scaling.png", dpi=130, bbox_inches="tight")
        figure.savefig(folder / "scaling.svg", bbox_inches="tight", metadata={"Date": None})


def _lines(axes, found: list[Point], sweep: str, what: str, *, logarithmic: bool = False) -> None:
    plain(axes, what, "ms a frame")
    for series, colour in COLOURS.items():
        places = [(p.at, p.ms) for p in found if p.sweep == sweep and p.series == series]
        axes.plot(*zip(*places, strict=True), "o-", color=colour, markersize=4, linewidth=1.4, label=series)
    if logarithmic:
        axes.set_xscale("log", base=2)
        axes.set_xticks(sorted({p.at for p in found if p.sweep == sweep}))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_yscale("log")


def table(found: list[Point]) -> str:
    """Of ms a frame; Markdown."""
    lines = []
    for sweep in dict.fromkeys(p.sweep for p in found):
        mine = [p for p in found if p.sweep == sweep]
        series = list(dict.fromkeys(p.series for p in mine))
        lines += ["", f"| {sweep} | " + " | ".join(series) + " | MB |", "|" + " --- |" * (len(series) + 2)]
        for at in dict.fromkeys(p.at for p in mine):
            row = {p.series: p for p in mine if p.at == at}
            memory = [p.memory for p in row.values() if p.memory]
            cells = [f"{row[name].ms:.1f}" for name in series]
            lines.append(f"| {at:.3g} | " + " | ".join(cells) + f" | {max(memory):.0f} |" if memory else " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the two smallest of everything")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", type=Path)
    parser.add_argument("-o", "--out", type=Path)
    parser.add_argument("--measured", type=Path)
    args = parser.parse_args()
    if args.measured:
        told = json.loads(args.measured.read_text())
        draw([Point(**point) for point in told["points"]], args.out, told["machine"])
        return
    with tempfile.TemporaryDirectory() as name:
        found = list(measured(Path(name), args.rounds, args.quick))
    print(machine(), table(found), sep="\n")
    if args.json:
        args.json.write_text(json.dumps({"machine": machine(), "points": [asdict(p) for p in found]}, indent=2) + "\n")
    if args.out:
        draw(found, args.out, machine())


if __name__ == "__main__":
    main()
