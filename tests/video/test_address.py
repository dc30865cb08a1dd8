import sys

import pytest

from taplab import SourceError
from taplab.video import open_video
from taplab.video.address import address_of


@pytest.mark.parametrize(
    ("source", "live"),
    [
        ("drive.mp4", False),
        ("list.M3U8", False),
        ("clips/rtsp/drive.mp4", False),
        ("file:///drive.mp4", False),
        ("rtsp://camera/live", True),
        ("RTSPS://camera/live", True),
        ("udp://127.0.0.1:5000", True),
        ("tcp://127.0.0.1:5000?listen=1", True),
        ("srt://127.0.0.1:5000", True),
        ("http://host/clip.mp4", None),
        ("https://host/live/list.m3u8", None),
        ("camera:0", True),
        ("/dev/video11", True),
        ("/dev/video", False),
        ("camera:front", False),
    ],
)
def test_what_sets_its_own_pace(source, live):
    assert address_of(source).live is live


@pytest.mark.parametrize("source", ["drive.mp4", "folder", "camera.mkv"])
def test_files_are_waited_for(source):
    assert not address_of(source).silent


@pytest.mark.parametrize("source", ["http://host/clip.mp4", "list.m3u8", "udp://:5000", "camera:1", "concat://a"])
def test_what_may_hang_has_a_time_limit(source):
    assert address_of(source).silent


def test_cameras_have_a_number_or_a_path():
    assert (address_of("camera:3").url, address_of("camera:3").format) == ("/dev/video3", "v4l2")
    assert address_of("/dev/video3") == address_of("camera:3")


@pytest.mark.skipif(sys.platform != "linux", reason="cameras are read on Linux only")
@pytest.mark.parametrize("source", ["camera:97", "/dev/video97"])
def test_a_camera_that_is_not_there(source):
    with pytest.raises(SourceError, match=f"{source}: no such camera; ls /dev/video"):
        open_video(source)


@pytest.mark.parametrize("source", ["camera:x", "camera:", "camera:-1"])
def test_a_camera_that_is_misnamed(source):
    with pytest.raises(SourceError, match=f"{source}: no such camera; write camera:NUMBER"):
        open_video(source)
