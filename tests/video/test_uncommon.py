"""What users have now and then: codecs that tell little, odd names, standard input, no pixels to speak of."""

import os
import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from taplab import Segmenter, SourceError
from taplab.video import open_video

SILENT = {  # codecs whose decoders do not say which pictures are key pictures
    "flashsv": (".flv", "bgr24"),
    "qtrle": (".mov", "rgb24"),
    "svq1": (".mov", "yuv410p"),
    "msvideo1": (".avi", "rgb555le"),
}


def write(path, codec, pix_fmt, frames):
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pix_fmt
        for i, rgb in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=pix_fmt)
            picture.pts, picture.time_base = i, Fraction(1, 25)
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


def test_an_index_at_the_end_cannot_be_piped(tmp_path):
    """Of a file that fits no buffer: FFmpeg reads to the index, and cannot go back."""
    noise = np.random.default_rng(0)
    frames = [noise.integers(0, 255, (144, 192, 3)).astype(np.uint8) for _ in range(60)]
    path = write(tmp_path / "clip.mp4", "mpeg4", "yuv420p", frames)
    assert path.stat().st_size > 1 << 18
    with subprocess.Popen(["cat", str(path)], stdout=subprocess.PIPE) as cat:
        run = subprocess.run([sys.executable, "-c", COUNT, "-"], stdin=cat.stdout, capture_output=True, check=False)
    assert (
        run.stderr.decode()
        .strip()
        .endswith(
            "-: its index comes last, and what is piped is read once; give the file by name, "
            "or put the index first: ffmpeg -i IN.mp4 -c copy -movflags +faststart OUT.mp4"
        )
    )
    assert len(list(open_video(path).frames())) == 60


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe(make_clip, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen([sys.executable, "-c", COUNT, str(tmp_path / "pipe")], stdout=subprocess.PIPE) as reader:
        (tmp_path / "pipe").write_bytes(make_clip("h264", ".ts").read_bytes())
        assert reader.communicate(timeout=120)[0] == b"30\n"
