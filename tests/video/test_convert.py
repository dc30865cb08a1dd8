import subprocess
import sys

import av
import numpy as np
import pytest

from taplab import Segmenter
from taplab.video.convert import converted

# In a process of its own: with one converter for both threads this crashes, or never ends.
TWO_THREADS = """
import threading
import av, numpy as np
from taplab.video.planes import luma_plane, yuv_planes
rng = np.random.default_rng(0)
rgb = rng.integers(0, 255, (240, 320, 3), np.uint8)
pictures = [av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format={pixel_format!r}) for _ in range(12)]
def work(function, picture):
    for _ in range(30):
        function(picture)
for picture in pictures:
    threads = [threading.Thread(target=work, args=(function, picture)) for function in (luma_plane, yuv_planes)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
print("fine")
"""


@pytest.mark.parametrize("pixel_format", ["rgb24", "yuv420p10le"])
def test_two_threads_convert_one_picture(pixel_format):
    code = TWO_THREADS.format(pixel_format=pixel_format)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "fine\n", (done.returncode, done.stderr)


def test_pictures_are_scaled_and_converted():
    picture = av.VideoFrame.from_ndarray(np.full((40, 60, 3), 90, np.uint8), format="rgb24")
    small = converted(picture, "gray", 30, 20)
    assert (small.width, small.height, small.format.name) == (30, 20, "gray")
    assert converted(picture, "rgb24").to_ndarray().shape == (40, 60, 3)


@pytest.mark.parametrize("matrix", [3, 8, 10, 14, 255])
def test_colours_that_ffmpeg_does_not_convert_are_taken_for_those_of_bt601(matrix):
    planes = np.random.default_rng(0).integers(0, 255, (48, 64), np.uint8)
    usual, strange = (av.VideoFrame.from_ndarray(planes, format="yuv420p") for _ in range(2))
    usual.colorspace, strange.colorspace = 5, matrix
    assert np.array_equal(converted(strange, "rgb24").to_ndarray(), converted(usual, "rgb24").to_ndarray())


def test_such_a_video_is_segmented_and_a_note_says_so(make_clip, tmp_path, model):
    clip = tmp_path / "strange.mp4"
    with av.open(str(make_clip("h264"))) as source, av.open(str(clip), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        strange = av.bitstream.BitStreamFilterContext(
            "h264_metadata=matrix_coefficients=8", source.streams.video[0], stream
        )
        for packet in source.demux(video=0):
            for changed in strange.filter(packet if packet.size else None):
                changed.stream = stream
                target.mux(changed)
    summary = Segmenter(model).run(clip, tmp_path / "out")
    assert summary.frames == 30
    assert summary.notes == ["FFmpeg does not know how its colours are coded: they were taken for those of BT.601"]
