"""Several processes on one machine: frames a second, all together.

    python benchmarks/processes.py SOURCE [--processes 1,4,8] [--modes per-frame,paper,live,offline] [--modules ffw]
                                   [--max-frames 384] [--share] [--device cuda] [--model bl2-camvid] [--json FILE]

Every process segments SOURCE, after a warm-up, in each mode; a mode begins when all are ready for it. Time counts from
the first start to the last end. Each process decodes on one thread and has its share of the cores for its network.

With --share they segment SOURCE together (``Segmenter(processes=)``), --max-frames for each of them; time counts from
opening it to the last frame's labels.
"""

from taplab.machine import hardware, versions  # isort: skip  (first: taplab sets how torch's threads wait)

import argparse
import json
import multiprocessing
import os
import time
from dataclasses import replace
from multiprocessing.synchronize import Barrier
from pathlib import Path

from taplab import PaperSettings, load_model
from taplab.crew.processes import crew_of
from taplab.evaluation.protocol import segmenter_of
from taplab.evaluation.timing import warm_up_frames
from taplab.evaluation.ways import Way
from taplab.models.base import Model

PATIENCE = 300  # seconds that the others are waited for

Spans = list[tuple[float, float, int]]  # start, end and frames of each mode


def work(source: str, model: str, device: str, ways: list[Way], frames: int, ready: Barrier) -> Spans:
    """What one process does."""
    network = load_model(model, device=device)
    segmenters, spans = [segmenter_of(network, way) for way in ways], []
    for segmenter, way in zip(segmenters, ways, strict=True):
        list(segmenter.stream(source, max_frames=min(frames, warm_up_frames(way))))
    for segmenter in segmenters:
        ready.wait(PATIENCE)
        started = time.time()
        count = sum(1 for _ in segmenter.stream(source, max_frames=frames))
        spans.append((started, time.time(), count))
    return spans


def together(count: int, source: str, model: str, device: str, ways: list[Way], frames: int) -> dict[str, float]:
    """Frames a second of each way in ``count`` processes."""
    os.environ["TAPLAB_DECODE_THREADS"] = "1"  # spawned processes take it over
    os.environ["OMP_NUM_THREADS"] = str(max((os.cpu_count() or 1) // count, 1))
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, context.Pool(count) as pool:
        ready = manager.Barrier(count)
        jobs = [pool.apply_async(work, (source, model, device, ways, frames, ready)) for _ in range(count)]
        spans = [job.get() for job in jobs]
    found = {}
    for way, own in zip(ways, zip(*spans, strict=True), strict=True):
        seconds = max(end for _, end, _ in own) - min(start for start, _, _ in own)
        found[way.title] = round(sum(frames for _, _, frames in own) / seconds, 1)
    return found


def shared(count: int, source: str, network: Model, ways: list[Way], frames: int) -> dict[str, float]:
    """Frames a second of each way in ``count`` processes that share the source."""
    found = {}
    for way in ways:
        segmenter = segmenter_of(network, replace(way, processes=count))
        for most in (count * warm_up_frames(way), count * frames):
            started = time.perf_counter()
            done = sum(1 for _ in segmenter.stream(source, max_frames=most, pictures=False))
            found[way.title] = round(done / (time.perf_counter() - started), 1)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("--processes", default="1,4,8")
    parser.add_argument("--modes", default="per-frame,paper,live,offline")
    parser.add_argument("--modules", default="ffw")
    parser.add_argument("--interval", type=int, default=12)
    parser.add_argument("--max-frames", type=int, default=384)
    parser.add_argument("--share", action="store_true")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--model", default="bl2-camvid")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    modules = tuple(args.modules.split(","))
    ways = [
        Way(mode, PaperSettings(modules if mode == "paper" else ("ffw",), interval=args.interval))
        for mode in args.modes.split(",")
    ]
    network = load_model(args.model, device=args.device) if args.share else None
    rows = {}
    for count in (int(text) for text in args.processes.split(",")):
        if network is not None:
            rows[count] = shared(count, args.source, network, ways, args.max_frames)
            crew_of(network, count).close()
        else:
            rows[count] = together(count, args.source, args.model, args.device, ways, args.max_frames)
        print(f"{count} processes: " + ", ".join(f"{title} {fps:g}" for title, fps in rows[count].items()), flush=True)
    if args.json is not None:
        about = {"model": args.model, "device": args.device, "frames": args.max_frames, "share": args.share}
        about |= {"hardware": hardware(args.device), "versions": versions()}
        args.json.write_text(json.dumps({"frames_per_second": rows, **about}, indent=2) + "\n")


if __name__ == "__main__":
    main()
