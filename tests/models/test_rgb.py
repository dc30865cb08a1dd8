import platform
from contextlib import closing
from fractions import Fraction
from itertools import islice

import av
import numpy as np
import pytest
import torch

from taplab.models.rgb import rgb
from taplab.types import CodedFrame, Region
from taplab.video import open_video
from taplab.video.convert import converted

CPU = torch.device("cpu")
# On other processors swscale rounds otherwise.
MOST = 0 if platform.machine() in ("x86_64", "AMD64") else 3
LIMITED, FULL = 1, 2


def noise(pixel_format="yuv420p", width=96, height=64, matrix=2, colour_range=0):
    """A frame of every grey level and colour, also of such as no camera gives."""
    picture = av.VideoFrame(width, height, pixel_format)
    random = np.random.default_rng(0)
    for plane in picture.planes:
        plane.update(random.integers(0, 256, plane.buffer_size, np.uint8).tobytes())
    picture.colorspace, picture.color_range = matrix, colour_range
    return CodedFrame(
        0, 0, 0, Fraction(1, 25), "I", width, height, False, None, picture, lambda p: converted(p, "rgb24").to_ndarray()
    )


def check(frame, region=None):
    ours, theirs = rgb(frame, region, CPU), frame.rgb(region)
    assert ours.dtype == torch.uint8
    assert ours.shape == theirs.shape
    assert np.abs(ours.numpy().astype(int) - theirs).max() <= MOST


@pytest.mark.parametrize("colour_range", [0, LIMITED, FULL])
@pytest.mark.parametrize("matrix", [0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 14])
def test_pixels_are_those_of_swscale_in_every_matrix_and_range(matrix, colour_range):
    check(noise(matrix=matrix, colour_range=colour_range))


@pytest.mark.parametrize(
    ("pixel_format", "width", "height"),
    [("yuvj420p", 96, 64), ("yuv420p", 98, 50), ("yuv420p", 97, 64), ("yuv420p", 96, 63), ("yuv422p", 96, 64),
     ("yuv444p", 96, 64), ("yuv420p10le", 96, 64), ("gray", 96, 64), ("nv12", 96, 64), ("rgb24", 96, 64)],
)  # fmt: skip
def test_pixels_are_those_of_swscale_in_every_format_and_size(pixel_format, width, height):
    check(noise(pixel_format, width, height))


@pytest.mark.parametrize("box", [(0, 0, 64, 96), (16, 32, 32, 48), (3, 5, 7, 9), (63, 95, 1, 1), (62, 0, 2, 95)])
def test_a_region_is_cut_out_of_the_whole(box):
    check(noise(matrix=1), Region(*box))


@pytest.mark.parametrize("interlaced", [False, True])
def test_a_video_is_seen_as_the_processor_sees_it(make_clip, interlaced):
    clip = make_clip("h264", options={"x264-params": "tff=1"}) if interlaced else make_clip()
    with closing(open_video(clip)) as video:
        for frame in islice(video.frames(), 3):
            assert bool(frame.picture.interlaced_frame) is interlaced
            check(frame)
