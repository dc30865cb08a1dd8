"""Decoders with frame threads give the pictures that they give on one thread, whatever they refuse."""

from fractions import Fraction

import av
import pytest

from taplab.timing import Stopwatch
from taplab.video.decoder import Decoder

CLIPS = {  # a picture each, or references between them, or pictures that wait to be shown
    "prores": (".mov", "yuv422p10le"),
    "zlib": (".avi", "bgr24"),
    "ffv1": (".mkv", "yuv420p"),
    "libvpx-vp9": (".webm", "yuv420p"),
    "libx265": (".mp4", "yuv420p"),
    "libsvtav1": (".mkv", "yuv420p"),
}
THREADS = 8


@pytest.fixture(scope="module")
def clip(drive, tmp_path_factory):
    """``clip(codec)``: 24 frames."""
    folder = tmp_path_factory.mktemp("clips")

    def make(codec):
        suffix, pix_fmt = CLIPS[codec]
        path = folder / f"{codec}{suffix}"
        if not path.exists():
            with av.open(str(path), "w") as container:
                stream = container.add_stream(codec, rate=25)
                (stream.height, stream.width), stream.pix_fmt = drive[0][0].shape[:2], pix_fmt
                stream.options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
                for i in range(24):
                    picture = av.VideoFrame.from_ndarray(drive[i][0], format="rgb24").reformat(format=pix_fmt)
                    picture.pts, picture.time_base = i, Fraction(1, 25)
                    container.mux(stream.encode(picture))
                container.mux(stream.encode())
        return path

    return make


def spoilt(path, target, numbers):
    """The file with nonsense in the place of these packets."""
    data, at = bytearray(path.read_bytes()), 0
    with av.open(str(path)) as container:
        for number, packet in enumerate(container.demux(video=0)):
            if packet.size:
                at = data.index(bytes(packet), at)
                if number in numbers:
                    data[at : at + packet.size] = b"\xff" * packet.size
                at += packet.size
    target.write_bytes(data)
    return target


def decoded(path, threads):
    """Times of the pictures, and how many packets were refused."""
    decoder = Decoder(str(path), Stopwatch(), vectors=True)
    decoder.context.thread_count = threads
    times = [picture.pts for picture in decoder.pictures()]
    decoder.close()
    return times, len(decoder.failed)


@pytest.mark.parametrize("codec", CLIPS)
@pytest.mark.parametrize("numbers", [(), (10,), (20,), (23,), (19, 22)], ids=str)
def test_a_refused_packet_takes_no_other_picture_with_it(clip, tmp_path, codec, numbers):
    path = spoilt(clip(codec), tmp_path / f"mutant{CLIPS[codec][0]}", numbers)
    times, refused = decoded(path, THREADS)
    expected, refused_on_one = decoded(path, 1)
    assert times == expected
    assert refused == refused_on_one or codec == "libsvtav1"  # pictures due are counted there
    assert (len(times) == 24) == (numbers == ())
