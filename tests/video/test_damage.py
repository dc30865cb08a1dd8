"""Mutants of real clips: whatever is done to a stream, every frame that decodes gets a mask, and nothing hangs."""

import signal
from contextlib import contextmanager

import av
import numpy as np
import pytest
import torch

from taplab import PaperSettings, Segmenter, TaplabError, TorchModel
from taplab.video.codec import CODECS_WITH_VECTORS

PACKETS = 16  # of each clip
SECONDS = 20  # for one mutant in one mode; it takes a few hundredths
MODES = ("offline", "live", "paper", "per-frame")
MODULES = dict.fromkeys(MODES, ("ffw", "rgfs")) | {"paper": ("ffw", "rgc", "rgfs"), "per-frame": ("ffw",)}
CLIPS = {
    "BA_MW_D_P_LOST.264": ".264",
    "bikes.mp4": ".mp4",
    "cars_320x240.h264": ".ts",
    "cars_320x240.h265": ".265",
    "cars_320x240.mjpeg": ".avi",
    "corrupted_h264.mp4": ".mp4",
    "h264_10bits.mp4": ".mp4",
    "h265_10bits.mp4": ".ts",
    "av1_video.mkv": ".mp4",
    "mpeg4": ".avi",
    "mpeg4 in mp4": ".mp4",
    "mpeg2video": ".ts",
    "flv1": ".flv",
}


class Grey(torch.nn.Module):
    def forward(self, x):
        grey = torch.nn.functional.avg_pool2d(x.mean(1, keepdim=True), 16, ceil_mode=True)
        return torch.cat([-grey, grey], 1)


MODEL = TorchModel(Grey(), classes=("dark", "bright"), name="grey")


def remuxed(source, target, keep=lambda i: True, most=PACKETS):
    """The first packets of a clip's video, those for whose number ``keep`` holds."""
    with av.open(str(source)) as a, av.open(str(target), "w") as b:
        stream = b.add_stream_from_template(a.streams.video[0], opaque=True)
        step = 1 / ((a.streams.video[0].average_rate or 25) * a.streams.video[0].time_base)
        for i, packet in enumerate(a.demux(a.streams.video[0])):
            if not packet.size or i == most:
                break
            if packet.dts is None:  # a raw stream
                packet.pts = packet.dts = round(i * step)
            if keep(i):
                packet.stream = stream
                b.mux(packet)
    return target


@pytest.fixture(scope="module")
def short(request, make_clip, tmp_path_factory):
    """``short(name)``: the bytes of the beginning of a clip."""
    folder, made = tmp_path_factory.mktemp("short"), {}

    def make(name):
        if name not in made:
            suffix = CLIPS[name]
            own = name.split()[0] in ("mpeg4", "mpeg2video", "flv1")
            source = make_clip(name.split()[0], suffix) if own else request.getfixturevalue("shared") / "clips" / name
            made[name] = remuxed(source, folder / f"{len(made)}{suffix}")
        return made[name]

    return make


def flipped(rng, path, out):
    data = bytearray(path.read_bytes())
    for _ in range(rng.choice([1, 3, 20])):
        data[rng.integers(len(data))] ^= 1 << rng.integers(8)
    out.write_bytes(data)


def blotted(rng, path, out):
    data = bytearray(path.read_bytes())
    at, size = rng.integers(len(data)), int(rng.choice([4, 100, 2000]))
    data[at : at + size] = rng.choice([b"\0" * size, rng.bytes(size)])[: len(data) - at]
    out.write_bytes(data)


def holed(rng, path, out):
    data = path.read_bytes()
    at, size = int(rng.integers(len(data))), int(rng.choice([1, 188, 1000]))
    out.write_bytes(data[:at] + data[at + size :])


def cut_off(rng, path, out):
    data = path.read_bytes()
    out.write_bytes(data[: rng.integers(len(data))])


def beheaded(rng, path, out):
    data = path.read_bytes()
    out.write_bytes(data[rng.integers(len(data)) :])


def packets_dropped(rng, path, out):
    lost = set(rng.choice(PACKETS, rng.choice([1, 2, 6]), replace=False).tolist())
    remuxed(path, out, lambda i: i not in lost)


MUTATIONS = (flipped, blotted, holed, cut_off, beheaded, packets_dropped)


@contextmanager
def time_limit(what):
    def stop(*_):
        raise TimeoutError(f"{what} hangs")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS, 1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def plain_sizes(path):
    """Of the frames that FFmpeg yields, whatever happens on the way; None if it cannot open the file."""
    sizes = []
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            if stream.codec_context.name in CODECS_WITH_VECTORS:
                stream.codec_context.thread_type = "SLICE"
            elif stream.codec_context.name != "libdav1d":  # of whose pictures one thread gives others
                stream.codec_context.thread_count = 1  # threads take good pictures with one that is refused at the end
            packets = container.demux(stream)
            while True:
                try:
                    packet = next(packets, None)
                except av.error.FFmpegError:
                    packet = None
                try:
                    sizes += [(f.height, f.width) for f in stream.codec_context.decode(packet)]
                except av.error.EOFError:
                    break
                except av.error.FFmpegError:
                    pass
                if packet is None or not packet.size:
                    break
    except (av.error.FFmpegError, OSError, IndexError, AttributeError):
        return None
    return sizes


def check(path, mode, *, more=False):
    """All that is promised of a damaged stream. Returns how many frames there were; ``more`` than FFmpeg's, maybe."""
    settings = PaperSettings(MODULES[mode], interval=5)
    sizes, refusal, results = plain_sizes(path), "", []
    try:
        results = list(Segmenter(MODEL, mode=mode, settings=settings).stream(path))
    except TaplabError as error:
        refusal = str(error)
    if refusal:
        assert str(path) in refusal
        assert "\n" not in refusal
        assert not sizes
        return 0
    assert [r.index for r in results] == list(range(len(results)))
    shapes = [r.labels.shape for r in results]
    assert shapes[: len(sizes)] == sizes
    assert len(shapes) == len(sizes) or more
    frames = {r.frame.index: r.frame for r in results}
    for result in results:
        assert result.key or not result.damaged
        assert result.frame.motion is None or not result.damaged
        for field in result.frame.motion.fields if result.frame.motion else ():
            reference = frames[field.reference]
            assert not reference.damaged
            assert (reference.height, reference.width) == (result.frame.height, result.frame.width)
    return len(results)


def mutate(short, tmp_path, name, seeds):
    survived = 0
    for seed in seeds:
        rng = np.random.default_rng(seed)
        path = tmp_path / f"{seed}{CLIPS[name]}"
        MUTATIONS[seed % len(MUTATIONS)](rng, short(name), path)
        mode = MODES[int(rng.integers(len(MODES)))]
        with time_limit(f"mutant {seed} of {name} in mode {mode}"):
            try:
                survived += check(path, mode, more=name.startswith("av1")) > 0
            except Exception as error:
                raise AssertionError(f"mutant {seed} of {name} in mode {mode}") from error
        path.unlink()
    return survived


@pytest.mark.parametrize("name", CLIPS)
def test_every_frame_that_decodes_gets_a_mask(short, tmp_path, name):
    assert mutate(short, tmp_path, name, range(24)) > 2


@pytest.mark.slow
@pytest.mark.parametrize("name", CLIPS)
def test_every_frame_of_many_mutants_gets_a_mask(short, tmp_path, name):
    assert mutate(short, tmp_path, name, range(1000, 1300)) > 50


def test_a_decoder_with_threads_of_its_own_is_closed_in_mid_stream(shared):
    """Whenever: dav1d gives what it holds back on its own threads."""
    for packets in range(60):
        with time_limit(f"closing after {packets} frames"):
            segmentation = Segmenter(MODEL, mode="live").stream(shared / "clips" / "av1_video.mkv")
            results = iter(segmentation)
            for _ in range(packets % 6):
                next(results)
            results.close()


@pytest.mark.parametrize("name", ["BA_MW_D_P_LOST.264", "corrupted_h264.mp4", "Error_I_P.264"])
def test_every_mode_sees_the_same_pictures_and_the_same_damage(shared, name):
    runs = {mode: list(Segmenter(MODEL, mode=mode).stream(shared / "clips" / name, max_frames=60)) for mode in MODES}
    damaged = [r.index for r in runs["per-frame"] if r.damaged]
    assert damaged
    for mode, results in runs.items():
        assert [r.index for r in results if r.damaged] == damaged, mode
        for one, other in zip(results, runs["per-frame"], strict=True):
            assert np.array_equal(one.frame.rgb(), other.frame.rgb()), (mode, one.index)
