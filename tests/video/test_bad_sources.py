"""Sources that cannot be read, or not to their end: one clear line, in a bounded time."""

import errno
import http.server
import itertools
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from fractions import Fraction
from functools import partial

import av
import numpy as np
import pytest
import torch

from taplab import Segmenter, SettingError, SourceError, TorchModel
from taplab.data.synthetic import SyntheticDrive
from taplab.video import Reading, open_video
from taplab.video.address import address_of
from taplab.video.refused import why_refused

MODES = ("per-frame", "offline", "live", "paper")


class Grey(torch.nn.Module):
    def forward(self, x):
        grey = torch.nn.functional.avg_pool2d(x.mean(1, keepdim=True), 16, ceil_mode=True)
        return torch.cat([-grey, grey], 1)


MODEL = TorchModel(Grey(), classes=("dark", "bright"), name="grey")


def write_video(path, **options):
    """Thirty frames, a key frame in every ten; ``options`` of the container."""
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("libx264", rate=15, options={"g": "10", "keyint_min": "10"})
        stream.height, stream.width, stream.pix_fmt = 96, 128, "yuv420p"
        for i, (rgb, _) in enumerate(SyntheticDrive(96, 128, 30, seed=5)):
            picture = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")
            picture.pts, picture.time_base = i, Fraction(1, 15)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def one_line(error):
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("mode", MODES)
def test_an_encrypted_stream_says_so(tmp_path, mode):
    key = "0123456789abcdef0123456789abcdef"
    path = tmp_path / "secret.mp4"
    write_video(path, encryption_scheme="cenc-aes-ctr", encryption_key=key, encryption_kid=key)
    with pytest.raises(SourceError, match="encrypted; decrypt it first") as error:
        list(Segmenter(MODEL, mode=mode).stream(path))
    assert "secret.mp4" in one_line(error)


def test_a_codec_without_decoder_is_refused(tmp_path):
    path = write_video(tmp_path / "strange.mp4")
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzzz"))
    with pytest.raises(SourceError, match="no decoder") as error:
        Segmenter(MODEL).stream(path)
    assert "strange.mp4" in one_line(error)


@contextmanager
def silent_port():
    """A port of ours that takes connections and never says a word."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


@pytest.mark.parametrize("scheme", ["http", "tcp", "rtsp"])
def test_an_address_that_does_not_answer_is_given_up(scheme):
    started = time.monotonic()
    with silent_port() as port, pytest.raises(SourceError, match=r"no answer for 0\.3 s") as error:
        open_video(f"{scheme}://127.0.0.1:{port}/clip.mp4", Reading(timeout=0.3))
    one_line(error)
    assert time.monotonic() - started < 10


def test_an_address_where_nobody_listens_is_refused_at_once():
    with silent_port() as port:
        pass
    with pytest.raises(SourceError, match=r"cannot be opened \(.*\); check the address") as error:
        open_video(f"http://127.0.0.1:{port}/clip.mp4")
    one_line(error)


def test_a_scheme_that_ffmpeg_lacks_is_told_with_a_way_round():
    with pytest.raises(SourceError, match=r"does not know gopherx://.*ffmpeg -i gopherx://a/b -c copy") as error:
        open_video("gopherx://a/b")
    one_line(error)


def test_a_password_that_is_wanted_is_asked_for():
    address, error = address_of("rtsp://joe:wrong@cam:8554/live"), av.error.HTTPUnauthorizedError(1, "unauthorized")
    why = why_refused("rtsp://joe:wrong@cam:8554/live", address, error)
    assert why.endswith("give a user and password that are right: rtsp://USER:PASSWORD@cam:8554/live")


def test_bare_pixels_are_told_how_to_become_a_video(tmp_path):
    (tmp_path / "bare.yuv").write_bytes(bytes(96 * 64 * 3 // 2))
    with pytest.raises(
        SourceError, match=r"bare pixels do not tell their size: ffmpeg -f rawvideo .*OUT\.y4m"
    ) as error:
        open_video(tmp_path / "bare.yuv")
    one_line(error)


def test_what_is_no_camera_is_told_as_such():
    error = OSError(errno.ENOTTY, "Inappropriate ioctl for device")
    why = why_refused("camera:0", address_of("camera:0"), error)
    assert why.startswith("cannot be opened (Inappropriate ioctl for device); check that it is a camera")


def test_the_timeout_of_the_command_line(tmp_path):
    with silent_port() as port:
        command = [sys.executable, "-m", "taplab", "segment", f"tcp://127.0.0.1:{port}", "-o", str(tmp_path / "out")]
        done = subprocess.run([*command, "--timeout", "0.3"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "no answer for 0.3 s" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "wrong", [{"timeout": 0}, {"timeout": float("nan")}, {"timeout": "5"}, {"reconnect": -1}, {"reconnect": None}]
)
def test_how_long_to_wait_is_a_number_of_seconds(wrong):
    with pytest.raises(SettingError, match=f"{next(iter(wrong))} .*: must be a number of seconds"):
        Reading(**wrong)


@pytest.mark.parametrize(
    "wrong", [{"thr_rgc": -1}, {"thr_rgc": 255}, {"thr_rgc": 3.0}, {"refine": "allways"}, {"refine": None}]
)
def test_a_setting_outside_what_is_allowed(wrong):
    with pytest.raises(SettingError, match=f"{next(iter(wrong))} .*: (must be|choose)") as error:
        Reading(**wrong)
    one_line(error)


@pytest.mark.parametrize("name", ["a" * 300, "a" * 300 + ".ts", "a" * 300 + ".m3u8", "/proc/self/mem"])
def test_what_the_system_refuses_is_told_with_its_reason(name):
    if name.startswith("/proc") and sys.platform != "linux":
        pytest.skip("needs /proc")
    with pytest.raises(SourceError, match=r"cannot be read \(.*\); check its name, and that you may read it") as error:
        open_video(name)
    one_line(error)


@pytest.mark.parametrize("mode", MODES)
def test_a_sender_that_falls_silent_ends_the_stream(tmp_path, mode):
    """What came before is segmented; the summary says how it ended."""
    data = write_video(tmp_path / "whole.ts").read_bytes()
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()

        def send():
            sender, _ = server.accept()
            held.append(sender)
            sender.sendall(data)

        held = []
        threading.Thread(target=send, daemon=True).start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        segmentation = Segmenter(MODEL, mode=mode).stream(address, timeout=1.0, reconnect=0, keep_all=True)
        count = len(list(segmentation))
        held[0].close()
    assert 28 <= count <= 30
    assert segmentation.summary().broke_off == "nothing came for 1 s"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("ended", [True, False])
def test_a_playlist_ends_when_it_says_so_or_nothing_more_comes(tmp_path, mode, ended):
    path = write_video(tmp_path / "list.m3u8", hls_time="0.6", hls_list_size="0")
    assert path.read_text().count(".ts") == 3
    if not ended:
        path.write_text(path.read_text().replace("#EXT-X-ENDLIST", ""))
    results = list(Segmenter(MODEL, mode=mode).stream(path, timeout=1.0))
    assert 5 < len(results) <= 30
    assert len(results) == 30 or not ended
    assert not any(r.damaged for r in results)


def test_a_playlist_over_http(tmp_path):
    write_video(tmp_path / "list.m3u8", hls_time="0.6", hls_list_size="0")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        frames = list(open_video(f"http://127.0.0.1:{server.server_port}/list.m3u8").frames())
        server.shutdown()
    assert len(frames) == 30
    assert all(a.pts < b.pts for a, b in itertools.pairwise(sorted(frames, key=lambda f: f.display)))
    assert np.all([not f.damaged for f in frames])


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("missing.mp4", None, "no such file"),
        ("empty.mp4", b"", "not a video"),
        ("text.mp4", b"hello " * 100, "not a video"),
    ],
)
def test_what_is_no_video_is_refused_in_one_line(tmp_path, name, content, says):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError, match=says) as caught:
        open_video(path)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_audio_only_is_refused(tmp_path):
    path = tmp_path / "tone.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(SourceError, match="audio"):
        open_video(path)


@pytest.mark.parametrize("encoder", ["libvpx-vp9", "libsvtav1"])
def test_what_ffmpeg_does_not_read_from_transport_streams(tmp_path, encoder):
    path = tmp_path / "clip.ts"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(encoder, rate=15)
        stream.height, stream.width, stream.pix_fmt = 96, 128, "yuv420p"
        container.mux(stream.encode(av.VideoFrame(128, 96, "yuv420p")))
        container.mux(stream.encode())
    says = "holds data streams only, no video that FFmpeg knows; AV1 and VP9, .* give them as .mp4 or .mkv"
    with pytest.raises(SourceError, match=says):
        open_video(path)
