"""What users have now and then: codecs that tell little, odd names, standard input, no pixels to speak of."""

import http.server
import os
import re
import subprocess
import sys
import threading
from contextlib import suppress
from fractions import Fraction
from functools import partial

import av
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext
from PIL import Image

from taplab import Segmenter, SourceError
from taplab.video import open_video
from taplab.video.planes import plane_view

SILENT = {  # codecs whose decoders do not say which pictures are key pictures
    "flashsv": (".flv", "bgr24"),
    "qtrle": (".mov", "rgb24"),
    "svq1": (".mov", "yuv410p"),
    "msvideo1": (".avi", "rgb555le"),
}


def write(path, codec, pix_fmt, frames, rate=25):
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pix_fmt
        for i, rgb in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=pix_fmt)
            picture.pts, picture.time_base = i, 1 / Fraction(rate)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("codec", SILENT)
def test_key_pictures_that_only_the_packets_tell(drive, tmp_path, codec):
    suffix, pix_fmt = SILENT[codec]
    path = write(tmp_path / f"clip{suffix}", codec, pix_fmt, [rgb for rgb, _ in drive])
    with av.open(str(path)) as container:
        assert not any(frame.key_frame for frame in container.decode(video=0))  # or this test is of no use any more
    frames = list(open_video(path).frames())
    assert len(frames) == 30
    assert not any(f.damaged for f in frames)
    assert sum(f.motion is not None for f in frames) > 20


def test_roq_whose_packets_tell_nothing_begins_with_a_key_picture(drive, tmp_path):
    path = write(tmp_path / "clip.roq", "roqvideo", "yuvj444p", [rgb[:128, :128] for rgb, _ in drive], rate=30)
    with av.open(str(path)) as container:
        assert not any(packet.is_keyframe for packet in container.demux(video=0))
    frames = list(open_video(path).frames())
    assert len(frames) == 30
    assert not any(f.damaged for f in frames)
    assert sum(f.motion is not None for f in frames) > 20


def test_amv_whose_memory_begins_with_the_last_row(drive, model, tmp_path):
    path = write(tmp_path / "clip.avi", "amv", "yuvj420p", [rgb for rgb, _ in drive])
    with av.open(str(path)) as container:
        picture = next(container.decode(video=0))
        assert picture.planes[0].line_size < 0  # or this test is of no use any more
        assert np.array_equal(plane_view(picture), picture.to_ndarray(format="gray"))
    summary = Segmenter(model).run(path, tmp_path / "out")
    assert (summary.frames, summary.damaged) == (30, 0)
    assert summary.key_frames < 10


def test_dv_that_changes_its_size_amid_damage_gives_all_that_decodes(tmp_path):
    """FFmpeg's frame threads refuse what others decode."""
    parts = []
    for height, rate, pix_fmt in ((576, Fraction(25), "yuv420p"), (480, Fraction(30000, 1001), "yuv411p")):
        noise = np.random.default_rng(0).integers(0, 255, (height // 8, 90, 3), dtype=np.uint8)
        frames = [np.roll(noise, i, 1).repeat(8, 0).repeat(8, 1) for i in range(12)]
        part = write(tmp_path / f"{height}.dv", "dvvideo", pix_fmt, frames, rate=rate)
        parts.append(part.read_bytes())
    whole, path = b"".join(parts), tmp_path / "hurt.dv"
    path.write_bytes(whole[:100_000] + whole[300_000:])
    decodes = {}
    for threads in ("NONE", "FRAME"):
        with av.open(str(path)) as container:
            container.streams.video[0].thread_type = threads
            decodes[threads] = 0
            for packet in container.demux(video=0):
                with suppress(av.error.FFmpegError):
                    decodes[threads] += len(packet.decode())
    assert decodes["FRAME"] < decodes["NONE"]  # or this test is of no use any more
    assert len(list(open_video(path).frames())) == decodes["NONE"]


def test_a_video_too_small_for_an_overlay_gets_its_masks(model, tmp_path):
    pixels = [np.full((1, 1, 3), 20 * i, np.uint8) for i in range(5)]
    path = write(tmp_path / "clip.mkv", "ffv1", "yuv444p", pixels)
    summary = Segmenter(model).run(path, tmp_path / "out")
    assert summary.frames == len(list((tmp_path / "out/masks").iterdir())) == 5
    assert summary.notes == ["no overlay: a video of 2x2 pixels is the smallest"]
    assert not (tmp_path / "out/overlay.mp4").exists()


@pytest.mark.parametrize("name", ["12:30.mp4", "file:me.mp4", "a,b.mp4", "50%d.mp4", "süß \n.mp4"])
def test_names_that_mean_something_to_ffmpeg(make_clip, model, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(make_clip("mpeg4").read_bytes())
    summary = Segmenter(model).run(name, "out", max_frames=5)
    assert (summary.frames, summary.notes) == (5, [])


def test_numbered_images_are_given_as_their_folder(tmp_path):
    with pytest.raises(SourceError, match="of numbered images give the folder"):
        open_video(tmp_path / "frame%03d.png")


def test_the_summary_tells_the_size_of_the_frames(make_clip, model, tmp_path):
    """FFmpeg cuts less from the left than H.264 asks, and says otherwise before it decodes."""
    with av.open(str(make_clip("h264", ".ts"))) as a, av.open(str(tmp_path / "crop.h264"), "w") as b:
        stream = b.add_stream_from_template(a.streams.video[0])
        how = "h264_metadata=crop_left=16:crop_right=32:crop_bottom=20"
        crop = BitStreamFilterContext(how, a.streams.video[0], stream)
        for packet in (p for whole in a.demux(a.streams.video[0]) for p in crop.filter(whole if whole.size else None)):
            packet.stream = stream
            b.mux(packet)
    summary = Segmenter(model).run(tmp_path / "crop.h264", tmp_path / "out", max_frames=3)
    with Image.open(tmp_path / "out/masks/000000.png") as mask:
        assert mask.size == (summary.width, summary.height) != (192 - 48, 144 - 20)


def test_a_single_image(model, drive, tmp_path):
    Image.fromarray(drive[0][0]).save(tmp_path / "one.jpg")
    (result,) = Segmenter(model).stream(tmp_path / "one.jpg")
    assert (result.key, result.damaged, result.labels.shape) == (True, False, (144, 192))


COUNT = "import sys; from taplab.video import open_video; print(len(list(open_video(sys.argv[1]).frames())))"


@pytest.mark.parametrize("name", ["-", "pipe:0"])
def test_standard_input(make_clip, name):
    with make_clip("h264", ".ts").open("rb") as clip:
        count = subprocess.run([sys.executable, "-c", COUNT, name], stdin=clip, capture_output=True, check=True)
    assert count.stdout == b"30\n"


@pytest.fixture
def index_last(tmp_path):
    """A file that fits no buffer: FFmpeg reads to the index, and then has to go back."""
    noise = np.random.default_rng(0)
    frames = [noise.integers(0, 255, (144, 192, 3)).astype(np.uint8) for _ in range(60)]
    path = write(tmp_path / "clip.mp4", "mpeg4", "yuv420p", frames)
    assert path.stat().st_size > 1 << 18
    return path


FASTSTART = "or put the index first: ffmpeg -i IN.mp4 -c copy -movflags +faststart OUT.mp4"


def test_an_index_at_the_end_cannot_be_piped(index_last):
    with subprocess.Popen(["cat", str(index_last)], stdout=subprocess.PIPE) as cat:
        run = subprocess.run([sys.executable, "-c", COUNT, "-"], stdin=cat.stdout, capture_output=True, check=False)
    why = "its index comes last, and what is piped is read once; give the file by name"
    assert run.stderr.decode().strip().endswith(f"-: {why}, {FASTSTART}")
    assert len(list(open_video(index_last).frames())) == 60


def test_an_index_at_the_end_needs_a_server_that_knows_ranges(index_last):
    class Whole(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def copyfile(self, source, outputfile):
            with suppress(ConnectionError):
                super().copyfile(source, outputfile)

    handler = partial(Whole, directory=str(index_last.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(SourceError, match=f"only from the beginning; download it first, {re.escape(FASTSTART)}"):
            list(open_video(f"http://127.0.0.1:{server.server_port}/clip.mp4").frames())
        server.shutdown()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe(make_clip, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen([sys.executable, "-c", COUNT, str(tmp_path / "pipe")], stdout=subprocess.PIPE) as reader:
        (tmp_path / "pipe").write_bytes(make_clip("h264", ".ts").read_bytes())
        assert reader.communicate(timeout=120)[0] == b"30\n"
