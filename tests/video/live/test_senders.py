"""Live sources from real senders on loopback: FFmpeg over UDP, TCP and HTTP, GStreamer's RTSP server."""

import itertools
import re
import shutil
import socket
import subprocess
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from taplab import Segmenter, SourceError
from taplab.video import Reading, open_video
from taplab.video.encode import encode_clip

RTSP_SERVER = Path(__file__).with_name("rtsp_server.py")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def ffmpeg(clip, pause, *target):
    """FFmpeg sending the clip again and again, at its own pace; it begins after some seconds."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("needs the ffmpeg command (apt-get install ffmpeg)")
    send = ["-v", "error", "-stream_loop", "-1", "-re", "-i", str(clip), "-c", "copy", "-f", "mpegts", *target]
    with running("sh", "-c", f'sleep {pause}; exec ffmpeg "$@"', "ffmpeg", *send) as process:
        yield process


@contextmanager
def running(*command):
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def opened(address, reading):
    """Once the sender is up."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return open_video(address, reading)
        except SourceError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def through_a_break(address, send, pause=0):
    """Twenty frames of one sender, which is killed, and after a pause twenty of the next."""
    with send() as first, closing(opened(address, Reading(timeout=2, reconnect=30))) as video:
        frames = video.endless()
        before = list(itertools.islice(frames, 20))
        first.kill()
        first.wait()
        with send(pause):
            after = list(itertools.takewhile(lambda _: video.reconnects == 0, frames))
            after += itertools.islice(frames, 20)
            frames.close()
    return before, after, video


def check_the_break(before, after, video):
    frames = before + after
    assert video.reconnects == 1
    assert [f.display for f in frames if f.display < 15] == list(range(15))
    assert sorted(f.display for f in frames[:-1]) == sorted({f.display for f in frames[:-1]})
    assert after[-1].scene > before[0].scene
    assert after[-1].index > before[-1].index
    stamps = [f.pts * f.time_base for f in frames if f.pts is not None]
    assert stamps == sorted(set(stamps))


def test_a_udp_sender_killed_and_restarted(clip):
    address = f"udp://127.0.0.1:{free_port()}"
    check_the_break(*through_a_break(address, lambda pause=0: ffmpeg(clip, pause, address), pause=4))


def test_a_tcp_sender_killed_and_restarted(clip):
    address = f"tcp://127.0.0.1:{free_port()}"
    check_the_break(*through_a_break(address, lambda pause=0: ffmpeg(clip, pause, f"{address}?listen=1")))


def test_an_http_sender_killed_and_restarted(clip):
    address = f"http://127.0.0.1:{free_port()}/live"
    check_the_break(*through_a_break(address, lambda pause=1: ffmpeg(clip, pause, "-listen", "1", address), pause=2))


def test_rtmp_is_understood_though_ffmpeg_would_look_at_it_for_longer_than_the_time_limit(clip):
    """For five seconds, as the sender does not say that it sends no sound."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("needs the ffmpeg command (apt-get install ffmpeg)")
    address = f"rtmp://127.0.0.1:{free_port()}/live"
    send = ["-v", "error", "-stream_loop", "-1", "-re", "-i", str(clip), "-c", "copy", "-f", "flv", "-listen", "1"]
    with running("ffmpeg", *send, address), closing(opened(address, Reading(timeout=2, reconnect=0))) as video:
        frames = list(itertools.islice(video.endless(), 100))
    assert len(frames) == 100
    assert not any(frame.damaged for frame in frames)


@pytest.fixture(scope="session")
def system_python():
    """The one that GStreamer's bindings are installed for."""
    python = shutil.which("python3", path="/usr/bin")
    check = (
        "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer, Gst\n"
        "Gst.init(None); assert Gst.ElementFactory.find('x264enc') and Gst.ElementFactory.find('rtph264pay')"
    )
    if python is None or subprocess.run([python, "-c", check], capture_output=True).returncode:
        pytest.skip("needs GStreamer's RTSP server (apt-get install python3-gi gir1.2-gst-rtsp-server-1.0 and plugins)")
    return python


def test_an_rtsp_server_killed_and_restarted(system_python):
    port = free_port()
    address = f"rtsp://127.0.0.1:{port}/live"
    check_the_break(*through_a_break(address, lambda pause=0: running(system_python, str(RTSP_SERVER), str(port))))


def test_an_rtsp_stream_from_end_to_end(system_python, model, tmp_path):
    port = free_port()
    with running(system_python, str(RTSP_SERVER), str(port)) as server:
        server.stdout.readline()
        summary = Segmenter(model).run(f"rtsp://127.0.0.1:{port}/live", tmp_path, timeout=10, max_frames=30)
    assert (summary.frames, summary.mode, summary.codec) == (30, "live", "h264")
    assert summary.motion["codec"] > 15
    assert len(list((tmp_path / "masks").iterdir())) == 30


@contextmanager
def rtsp_file(python, clip):
    """The address of a server of the clip, whose length it announces, and its process."""
    port = free_port()
    with running(python, str(RTSP_SERVER), str(port), str(clip)) as server:
        server.stdout.readline()
        yield f"rtsp://127.0.0.1:{port}/live", server


def test_an_announced_end_that_is_reached_is_the_end(system_python, make_clip):
    with rtsp_file(system_python, make_clip("h264", gop=10)) as (address, _):
        video = open_video(address, Reading(timeout=5, reconnect=30))
        frames = list(video.frames())
    assert len(frames) >= 28
    assert (video.reconnects, video.broke_off, video.lost) == (0, None, 0)


@pytest.mark.parametrize(("reconnect", "more"), [(0, ""), (0.5, ", and did not come back within 0.5 s")])
def test_an_rtsp_server_killed_before_the_announced_end(system_python, drive, tmp_path, reconnect, more):
    clip = encode_clip(tmp_path / "six.mp4", [rgb for rgb, _ in drive] * 5, codec="h264", fps=25)  # 6 s
    with rtsp_file(system_python, clip) as (address, server):
        video = open_video(
            address, Reading(motion=False, timeout=5, reconnect=reconnect)
        )  # reads faster than it is sent
        frames = video.frames()
        some = list(itertools.islice(frames, 8))
        server.kill()
        assert len(some + list(frames)) < 120
    assert re.fullmatch(r"ends after [1-4]\.\d s of 6 s" + more, video.broke_off)
    assert not video._video.ended
