"""Estimated motion against the codec's own: how well it explains pictures, how well it warps, and what it costs.

    python benchmarks/estimate.py [--size 1024x2048] [--frames 24] [--seeds 3,4] [--speeds medium,fast] [--rounds 5]

Synthetic drives are encoded by the real encoders. For the vectors of the codec, the same refined, taplab's block search
without them and OpenCV's DIS (at half size, averaged over 8x8 blocks; where OpenCV is installed) each table row holds:
the mean residual, in grey levels, over all frames with motion; mIoU of FFW with a key frame every 12 frames, bundled
bl2-synthetic; milliseconds a frame on one thread, and how many times as long as decoding the same stream on one thread,
the two taken in turn, best of the rounds. All ways start from the same references as the stream's own.
"""

from taplab.machine import machine  # isort: skip  (first: taplab sets how torch's threads wait)

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from taplab import PaperSettings, SyntheticDrive, load_model
from taplab.config import rows_and_columns
from taplab.evaluation.metrics import Confusion
from taplab.labels import labels_from_scores
from taplab.lanes import run_endless
from taplab.models.base import Model
from taplab.network import Network
from taplab.policies import Paper
from taplab.timing import Stopwatch
from taplab.types import MOTION_BLOCK, CodedFrame, Labels, Motion, MotionField, Plane, Rgb
from taplab.video.around import estimated_around, refined
from taplab.video.planes import luma_plane
from taplab.video.reader import Video
from taplab.video.references import Reference
from taplab.video.residual import measure_residual

INTERVAL = 12
_QSCALE = {"qmin": "3", "qmax": "3", "sc_threshold": "1000000000"}
CODECS = {  # encoder and its options; one I-frame
    "MPEG-4": ("mpeg4", {"bf": "0", **_QSCALE}),
    "MPEG-4 with B-frames": ("mpeg4", {"bf": "2", **_QSCALE}),
    "H.264": ("libx264", {"bf": "0", "crf": "23", "preset": "veryfast", "sc_threshold": "0"}),
    "H.264 with B-frames": ("libx264", {"bf": "3", "crf": "23", "preset": "veryfast", "sc_threshold": "0"}),
    "HEVC": ("libx265", {"crf": "28", "preset": "veryfast", "x265-params": "log-level=error:scenecut=0"}),
    "VP9": ("libvpx-vp9", {"crf": "32", "b": "0", "deadline": "realtime", "cpu-used": "8"}),
    "AV1": ("libsvtav1", {"crf": "35", "preset": "10"}),
}
Way = Callable[[Reference, Sequence[Reference], Motion], Motion | None]  # the motion there was, last


def encode(path: Path, pictures: Sequence[Rgb], encoder: str, options: dict[str, str]) -> Path:
    """All frames in one GOP."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(encoder, rate=15, options={"g": str(len(pictures) + 1), **options})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for index, rgb in enumerate(pictures):
            picture = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")
            picture.pts, picture.time_base = index, Fraction(1, 15)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def decode_seconds(clip: Path) -> float:
    """For all frames, on one thread, nothing exported or converted."""
    with av.open(str(clip)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        started = time.perf_counter()
        for _ in container.decode(video=0):
            pass
        return time.perf_counter() - started


def dis() -> Way | None:
    """OpenCV's dense inverse search at half size; None where it is not installed."""
    try:
        import cv2
    except ImportError:
        return None
    cv2.setNumThreads(1)
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)

    def half(luma: Plane) -> Plane:
        return cv2.resize(luma, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)

    def field(luma: Plane, index: int, other: Plane) -> MotionField:
        flow = search.calc(half(luma), half(other), None)
        shape = -(-luma.shape[0] // MOTION_BLOCK), -(-luma.shape[1] // MOTION_BLOCK)
        vectors = 2 * cv2.resize(flow, shape[::-1], interpolation=cv2.INTER_AREA)
        return MotionField(index, vectors, np.ones(shape, np.float32))

    def way(picture: Reference, references: Sequence[Reference], _: Motion) -> Motion:
        fields = [field(picture.luma, other.index, other.luma) for other in references]
        share = np.float32(1 / len(fields))
        found = tuple(replace(f, weight=f.weight * share) for f in fields)
        return Motion(found, np.ones(fields[0].weight.shape, np.bool_), "estimated")

    return way


def moved(clip: Path, way: Way | None, seconds: list[float] | None = None) -> Iterator[CodedFrame]:
    """The frames with the motion that a way finds; None leaves the stream's own."""
    known: dict[int, Reference] = {}
    for frame in Video(clip).frames():
        luma = luma_plane(frame.picture)
        known[frame.index] = picture = Reference(luma, frame.index, frame.display)
        if way is not None and frame.motion is not None:
            references = [known[field.reference] for field in frame.motion.fields]
            started = time.perf_counter()
            frame.motion = way(picture, references, frame.motion)
            if seconds is not None:
                seconds.append(time.perf_counter() - started)
        picture.motion = frame.motion
        if frame.motion is not None:
            lumas = tuple(known[field.reference].luma for field in frame.motion.fields)
            frame.measure = lambda luma=luma, lumas=lumas, m=frame.motion: measure_residual(luma, lumas, m, 30)
        yield frame


def warped(clip: Path, way: Way | None, truth: Sequence[Labels], model: Model) -> tuple[Confusion, list[float]]:
    """FFW's confusion, and the residual of each frame that has motion."""
    confusion, residuals = Confusion(model.classes), []
    policy, network = Paper(PaperSettings(("ffw",), interval=INTERVAL)), Network(model, Stopwatch())
    for answer in run_endless(moved(clip, way), policy, network):
        frame = answer.frame
        confusion.add(truth[frame.display], labels_from_scores(answer.carried.scores, (frame.height, frame.width)))
        if frame.residual is not None:
            residuals.append(frame.residual.score)
    return confusion, residuals


def cost(clip: Path, way: Way, rounds: int) -> tuple[float, float]:
    """Seconds a frame: of the way and of decoding, in turn, best of the rounds."""
    ours, decoding = [], []
    for _ in range(rounds):
        seconds: list[float] = []
        count = sum(1 for _ in moved(clip, way, seconds))
        ours.append(float(np.mean(seconds)))
        decoding.append(decode_seconds(clip) / count)
    return min(ours), min(decoding)


def main() -> None:
    args = arguments()
    height, width = rows_and_columns("--size", args.size)
    model = load_model("bl2-synthetic")
    ways: dict[str, Way | None] = {
        "codec": None,
        "refined": lambda picture, references, motion: refined(motion, picture, references),
        "estimated": lambda picture, references, _: estimated_around(picture, references),
    }
    if (other := dis()) is not None:
        ways["DIS"] = other
    drives = [
        list(SyntheticDrive(height, width, args.frames, int(seed), speed=speed))
        for speed in args.speeds.split(",")
        for seed in args.seeds.split(",")
    ]
    print(f"{width}x{height}, {len(drives)} drives of {args.frames} frames; {machine()}\n")
    print("| stream | motion | residual | mIoU | ms a frame | of decoding |\n|" + " --- |" * 6, flush=True)
    with tempfile.TemporaryDirectory() as name:
        for codec, (encoder, options) in CODECS.items():
            clips = [
                encode(Path(name) / f"{encoder}{k}.mkv", [rgb for rgb, _ in drive], encoder, options)
                for k, drive in enumerate(drives)
            ]
            has_vectors = Video(clips[0]).has_vectors
            for label, way in ways.items():
                if label in ("codec", "refined") and (not has_vectors or codec == "MPEG-4 with B-frames"):
                    continue  # FFmpeg has none, or none that are true
                confusion, residuals = Confusion(model.classes), []
                for clip, drive in zip(clips, drives, strict=True):
                    counts, found = warped(clip, way, [truth for _, truth in drive], model)
                    confusion.counts += counts.counts
                    residuals += found
                row = f"| {codec} | {label} | {np.mean(residuals):.2f} | {100 * confusion.miou:.2f} |"
                if way is None:
                    print(f"{row} | |", flush=True)
                    continue
                seconds, decoding = cost(clips[0], way, args.rounds)
                print(f"{row} {1e3 * seconds:.1f} | {seconds / decoding:.2f} |", flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="1024x2048", help="rows x columns")
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--seeds", default="3,4")
    parser.add_argument("--speeds", default="medium,fast")
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    main()
