import subprocess
import sys

import av
import numpy as np
import pytest

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
