"""Decoding on several threads: frames a second, linearly and GOPs side by side, beside plain FFmpeg decoding.

    python benchmarks/decoding.py [--threads 2] [--height 1024] [--width 2048] [--frames 96] [--rounds 5] [--json FILE]

A synthetic drive is encoded by the real encoders, a key frame every 12 frames. All ways take turns; medians over the
rounds; the ratio to linear decoding is formed within a round. "CPU" is processor time of all threads, "own" that of
the thread that asks for the pictures, milliseconds a frame: they move less than the clock when others use the machine,
and the speed-up cannot exceed CPU / own. taplab exports vectors, plain decoding does not; ffmpeg is the program, where
it is installed, and its start is counted.
"""

from taplab.machine import machine  # isort: skip  (first: taplab sets how torch's threads wait)

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import av

from taplab import SyntheticDrive
from taplab.timing import Stopwatch
from taplab.video.decoder import Decoder
from taplab.video.encode import encode_clip

CLIPS = {
    "MPEG-4": {"codec": "mpeg4"},
    "MPEG-2 with B-frames": {"codec": "mpeg2video", "options": {"bf": "2"}},
    "H.264": {"codec": "h264"},
    "H.264 with B-frames": {"codec": "h264", "options": {"bf": "3"}},
    "HEVC": {"codec": "hevc"},
}


def taplab(clip: Path, threads: int) -> None:
    """As ``taplab segment`` reads it, up to the pictures with their vectors."""
    decoder = Decoder(str(clip), Stopwatch(), vectors=True, threads=threads)
    for _ in decoder.pictures():
        pass
    decoder.close()


def pyav(clip: Path, threads: int) -> None:
    """FFmpeg's own threads, of frames where the codec has them."""
    with av.open(str(clip)) as container:
        context = container.streams.video[0].codec_context
        context.thread_type, context.thread_count = "AUTO", threads
        for _ in container.decode(video=0):
            pass


def ffmpeg(clip: Path, threads: int) -> None:
    """The program, pictures thrown away."""
    command = ["ffmpeg", "-v", "error", "-threads", str(threads), "-i", str(clip), "-map", "0:v", "-f", "null", "-"]
    subprocess.run(command, check=True)


def ways(threads: int) -> dict[str, Callable[[Path], None]]:
    """What is measured: title and function of a clip."""
    found = {
        "linear": partial(taplab, threads=1),
        f"side by side, {threads}": partial(taplab, threads=threads),
        "PyAV, 1": partial(pyav, threads=1),
        f"PyAV, {threads}": partial(pyav, threads=threads),
    }
    if shutil.which("ffmpeg"):
        found[f"ffmpeg, {threads}"] = partial(ffmpeg, threads=threads)
    return found


def cpu() -> float:
    """Processor seconds of this process and of those it started."""
    used = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return sum(u.ru_utime + u.ru_stime for u in used)


def measured(way: Callable[[Path], None], clip: Path) -> tuple[float, float, float]:
    """Seconds by the clock, of the processor, and of it by this thread."""
    started, used, own = time.perf_counter(), cpu(), time.thread_time()
    way(clip)
    return time.perf_counter() - started, cpu() - used, time.thread_time() - own


def compared(clip: Path, threads: int, frames: int, rounds: int) -> dict[str, dict[str, float]]:
    """Of each way: fps, ratio to linear decoding, CPU and own milliseconds a frame."""
    taken: dict[str, list[tuple[float, float, float]]] = {title: [] for title in ways(threads)}
    for r in range(rounds + 1):  # the first one warms up
        for title, way in ways(threads).items():
            seconds = measured(way, clip)
            if r:
                taken[title].append(seconds)
    return {
        title: {
            "fps": round(frames / statistics.median(t[0] for t in times), 1),
            "ratio": round(statistics.median(a[0] / b[0] for a, b in zip(taken["linear"], times, strict=True)), 2),
            "cpu": round(1e3 * statistics.median(t[1] for t in times) / frames, 2),
            "own": round(1e3 * statistics.median(t[2] for t in times) / frames, 2),
        }
        for title, times in taken.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--height", type=int, default=1024)
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--frames", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    drive = [rgb for rgb, _ in SyntheticDrive(args.height, args.width, args.frames, seed=3)]
    table = {}
    with tempfile.TemporaryDirectory() as name:
        for i, (title, how) in enumerate(CLIPS.items()):
            clip = encode_clip(Path(name) / f"{i}.mkv", drive, **how)
            table[title] = compared(clip, args.threads, args.frames, args.rounds)
    print(f"frames/s (ratio to linear; CPU / own ms a frame) at {args.height}x{args.width}, {machine()}\n")
    columns = list(ways(args.threads))
    print("| | " + " | ".join(columns) + " |\n|" + " --- |" * (len(columns) + 1))
    for title, row in table.items():
        cells = [
            f"{row[c]['fps']:.0f} ({row[c]['ratio']:.2f}; {row[c]['cpu']:.1f} / {row[c]['own']:.1f})" for c in columns
        ]
        print(f"| {title} | " + " | ".join(cells) + " |")
    if args.json:
        size = [args.height, args.width]
        args.json.write_text(json.dumps({"machine": machine(), "size": size, "decoding": table}, indent=2))


if __name__ == "__main__":
    main()
