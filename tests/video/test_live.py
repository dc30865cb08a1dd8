"""Live sources on loopback, with real senders: killed, restarted, too fast, silent, ended."""

import http.server
import itertools
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path

import av
import pytest
import torch

from taplab import Segmenter, SettingError, SourceError, TorchModel
from taplab.video import open_video
from taplab.video.encode import encode_clip
from taplab.video.live import LiveVideo
from taplab.video.reader import Video

RTSP_SERVER = Path(__file__).with_name("rtsp_server.py")


@pytest.fixture
def clip(make_clip):
    """Thirty frames of H.264 as a transport stream, an I-frame in every ten."""
    return make_clip("h264", ".ts", gop=10)


class Slow(torch.nn.Module):
    """Three classes by brightness, a tenth of a second a pass."""

    def forward(self, x):
        time.sleep(0.1)
        grey = torch.nn.functional.avg_pool2d(x.mean(1, keepdim=True), 4, ceil_mode=True)
        return torch.cat([-grey, 0.2 - grey.abs(), grey], 1)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def sending(*connections, hold=False):
    """The address of a server that sends one of ``connections``, bytes, to each that comes, and then is gone.

    hold: the last connection stays open, silent.
    """
    server, held = socket.create_server(("127.0.0.1", 0)), []

    def serve():
        for k, data in enumerate(connections):
            peer, _ = server.accept()
            peer.sendall(data)
            held.append(peer)
            if not hold or k + 1 < len(connections):
                peer.close()
        if not hold:
            server.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
    for peer in held:
        peer.close()
    server.close()


def test_a_sender_that_comes_back(clip):
    """One count of frames over both connections; a new scene; nothing is warped across, nothing doubtful."""
    data = clip.read_bytes()
    with sending(data, data) as address:
        video = open_video(address, timeout=5, reconnect=1)
        frames = list(video.frames())
    assert isinstance(video, LiveVideo)
    assert video.reconnects == 1
    assert [f.index for f in frames] == list(range(60))
    assert [f.display for f in frames] == list(range(60))
    assert {f.scene for f in frames[:30]} == {1}
    assert {f.scene for f in frames[30:]} == {frames[30].scene} != {1}
    assert not any(f.damaged for f in frames)
    assert all(f.motion is None or f.motion.fields[0].reference == f.index - 1 for f in frames)
    assert all(a.pts < b.pts for a, b in itertools.pairwise(frames))
    assert video.broke_off == "the sender closed the connection, and did not come back within 1 s"
    assert video.lost == 0


def test_masks_and_overlay_go_on_after_a_break(clip, model, tmp_path):
    data = clip.read_bytes()
    with sending(data, data) as address:
        summary = Segmenter(model).run(address, tmp_path, timeout=5, reconnect=1, keep_all=True)
    assert (summary.frames, summary.dropped, summary.reconnects, summary.mode) == (60, 0, 1, "live")
    assert summary.notes == ["the connection was lost and taken up again 1 time"]
    assert len(list((tmp_path / "masks").iterdir())) == 60
    with av.open(str(tmp_path / "overlay.mp4")) as overlay:
        stamps = [frame.pts for frame in overlay.decode(video=0)]
    assert len(stamps) == 60
    assert stamps == sorted(set(stamps))


def test_no_reconnecting_where_it_is_not_wanted(clip):
    with sending(clip.read_bytes(), clip.read_bytes()) as address:
        video = open_video(address, timeout=5, reconnect=0)
        assert len(list(video.frames())) == 30
    assert (video.reconnects, video.broke_off) == (0, None)


def test_tries_become_rarer_and_end(clip):
    tried = []

    def refuse(limit):
        tried.append(limit)
        raise SourceError("nobody there")

    live = LiveVideo(Video(clip), refuse, timeout=20, reconnect=2)
    live._video._decoder.has_an_end = False
    assert len(list(live.frames())) == 30
    assert 1 <= len(tried) <= 4  # after 0.25, 0.75 and 1.75 s, and at the end
    assert max(tried) <= 2  # none may take longer than what is left
    assert live.broke_off == "the sender closed the connection, and did not come back within 2 s"


def test_an_end_after_a_broken_packet_is_the_end(make_clip, tmp_path):
    """Damage is told, but nothing was lost that a new connection could bring."""
    data, broken = bytearray(make_clip("mpeg4").read_bytes()), tmp_path / "broken.mp4"
    with av.open(str(make_clip("mpeg4"))) as clip:
        packet = list(clip.demux(video=0))[20]
        data[packet.pos : packet.pos + packet.size] = bytes(packet.size)
    broken.write_bytes(data)

    def refuse(limit):
        pytest.fail("there is nobody to connect to again")

    live = LiveVideo(Video(broken), refuse, timeout=20, reconnect=2)
    assert len(list(live.frames())) == 29
    assert live.broke_off


def test_connections_without_a_frame_do_not_count(clip):
    """A sender that answers and has nothing to say is not there."""
    data = clip.read_bytes()
    with sending(data, b"", data[:1000], data) as address:
        video = open_video(address, timeout=5, reconnect=10, max_frames=40)
        assert len(list(video.frames())) == 40
    assert video.reconnects == 1


@pytest.mark.parametrize("reconnect", [-1, float("nan")])
def test_reconnect_must_not_be_negative(tmp_path, reconnect):
    with pytest.raises(SettingError, match="reconnect"):
        open_video(tmp_path, reconnect=reconnect)


def test_what_is_too_much_is_dropped_and_counted(clip, tmp_path):
    slow = TorchModel(Slow(), classes=("dark", "middle", "bright"), name="slow")
    with sending(clip.read_bytes()) as address:
        summary = Segmenter(slow, mode="per-frame").run(address, tmp_path, timeout=5, reconnect=0)
    assert summary.frames >= 12
    assert summary.dropped >= 5
    assert summary.frames + summary.dropped == 30
    assert f"{summary.dropped} of 30 frames were dropped" in summary.notes[0]
    masks = sorted(p.name for p in (tmp_path / "masks").iterdir())
    assert masks == [f"{i:06d}.png" for i in range(summary.frames)]
    assert json.loads((tmp_path / "summary.json").read_text())["dropped"] == summary.dropped


def test_all_are_kept_where_that_is_wanted(clip):
    slow = TorchModel(Slow(), classes=("dark", "middle", "bright"), name="slow")
    with sending(clip.read_bytes()) as address:
        segmentation = Segmenter(slow, mode="per-frame").stream(address, timeout=5, reconnect=0, keep_all=True)
        assert [r.index for r in segmentation] == list(range(30))
    assert segmentation.summary().dropped == 0


def test_as_many_as_were_asked_for_come_whatever_is_dropped(clip):
    slow = TorchModel(Slow(), classes=("dark", "middle", "bright"), name="slow")
    with sending(clip.read_bytes(), clip.read_bytes()) as address:
        segmentation = Segmenter(slow, mode="per-frame").stream(address, timeout=5, max_frames=20)
        assert [r.index for r in segmentation] == list(range(20))


def test_closing_does_not_wait_for_a_read_that_hangs(clip):
    """The reader ends by its own time limit; what it held is released then."""
    with sending(clip.read_bytes(), hold=True) as address:
        video = open_video(address, timeout=3, reconnect=30)
        frames = []
        reader = threading.Thread(target=lambda: frames.extend(video.frames()))
        reader.start()
        while len(frames) < 1 and reader.is_alive() and not video._reading.locked():
            time.sleep(0.01)
        started = time.monotonic()
        video.close()
        assert time.monotonic() - started < 1
        reader.join(20)
        assert not reader.is_alive()
    assert video.reconnects == 0


def interrupted(address, out, after, *options):
    """Runs the command line on ``address`` and sends Ctrl-C once ``after`` masks are there. (status, stderr)"""
    heeding = "signal.signal(signal.SIGINT, signal.default_int_handler)"  # jobs in the background begin without
    code = f"import signal; {heeding}; from taplab.cli.main import main; main()"
    command = [sys.executable, "-c", code, "segment", address, "-o", str(out), "--model", "bl2-synthetic", *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 100
    while len(list((out / "masks").glob("0*.png"))) < after and time.monotonic() < deadline:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    return process.returncode, stderr


def test_ctrl_c_leaves_whole_files_also_where_nothing_comes(clip, tmp_path):
    with sending(clip.read_bytes(), hold=True) as address:
        status, stderr = interrupted(address, tmp_path, 10, "--timeout", "60")
    assert status == 130
    assert stderr.splitlines()[-1].startswith("taplab: interrupted; ")
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["interrupted"] is True
    assert summary["frames"] >= 10
    with av.open(str(tmp_path / "overlay.mp4")) as overlay:
        assert sum(1 for _ in overlay.decode(video=0)) == summary["frames"]
    assert len(list((tmp_path / "masks").iterdir())) == summary["frames"]


def test_ctrl_c_while_a_source_is_opened(tmp_path):
    heeding = "signal.signal(signal.SIGINT, signal.default_int_handler)"  # jobs in the background begin without
    # Ctrl-C comes a while after FFmpeg was called: it hangs by then.
    told = "said = av.open; av.open = lambda *a, **k: (print('opening', flush=True), said(*a, **k))[1]"
    code = f"import av, signal; {heeding}; {told}; from taplab.cli.main import main; main()"
    with socket.create_server(("127.0.0.1", 0)) as server:
        source = f"tcp://127.0.0.1:{server.getsockname()[1]}"  # accepts and stays silent
        options = ["-o", str(tmp_path / "out"), "--model", "bl2-synthetic", "--timeout", "600"]
        command = [sys.executable, "-c", code, "segment", source, *options]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout.readline() == "opening\n"
                time.sleep(0.5)
                process.send_signal(signal.SIGINT)
                _, stderr = process.communicate(timeout=20)
            finally:
                process.kill()
    assert stderr.splitlines() == ["taplab: interrupted; no frame was done"]
    assert process.returncode == 130


class Sender(http.server.BaseHTTPRequestHandler):
    """/file says how long it is, /stream does not."""

    data = b""

    def do_GET(self):
        self.send_response(200)
        if self.path == "/file":
            self.send_header("Content-Length", str(len(self.data)))
        self.end_headers()
        self.wfile.write(self.data)

    def log_message(self, *_):
        pass


@pytest.mark.parametrize(("path", "live"), [("file", False), ("stream", True)])
def test_http_is_live_where_no_end_is_in_sight(clip, model, path, live):
    handler = type("Handler", (Sender,), {"data": clip.read_bytes()})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/{path}"
        segmentation = Segmenter(model).stream(address, timeout=5, reconnect=0, keep_all=True)
        assert segmentation.source.live is live
        assert segmentation.policy.name == ("live" if live else "offline")
        assert len(list(segmentation)) == 30
        server.shutdown()


@contextmanager
def ffmpeg(clip, target, pause):
    """FFmpeg sending the clip again and again, at its own pace; it begins after some seconds."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("needs the ffmpeg command (apt-get install ffmpeg)")
    send = ["-v", "error", "-stream_loop", "-1", "-re", "-i", str(clip), "-c", "copy", "-f", "mpegts", target]
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


def opened(address, **options):
    """Once the sender is up."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return open_video(address, **options)
        except SourceError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def through_a_break(address, send, pause=0):
    """Twenty frames of one sender, which is killed, and after a pause twenty of the next."""
    with send() as first, closing(opened(address, timeout=2, reconnect=30)) as video:
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
    check_the_break(*through_a_break(address, lambda pause=0: ffmpeg(clip, address, pause), pause=4))


def test_a_tcp_sender_killed_and_restarted(clip):
    address = f"tcp://127.0.0.1:{free_port()}"
    check_the_break(*through_a_break(address, lambda pause=0: ffmpeg(clip, f"{address}?listen=1", pause)))


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
        video = open_video(address, timeout=5, reconnect=30)
        frames = list(video.frames())
    assert len(frames) >= 28
    assert (video.reconnects, video.broke_off, video.lost) == (0, None, 0)


@pytest.mark.parametrize(("reconnect", "more"), [(0, ""), (0.5, ", and did not come back within 0.5 s")])
def test_an_rtsp_server_killed_before_the_announced_end(system_python, drive, tmp_path, reconnect, more):
    clip = encode_clip(tmp_path / "six.mp4", [rgb for rgb, _ in drive] * 5, codec="h264", fps=25)  # 6 s
    with rtsp_file(system_python, clip) as (address, server):
        video = open_video(address, motion=False, timeout=5, reconnect=reconnect)  # reads faster than it is sent
        frames = video.frames()
        some = list(itertools.islice(frames, 8))
        server.kill()
        assert len(some + list(frames)) < 120
    assert re.fullmatch(r"ends after [1-4]\.\d s of 6 s" + more, video.broke_off)
    assert not video._video.ended
