"""Streams that change their codec where only packets can be seen: over a network, of which no bytes are looked at."""

import http.server
import socket
import threading
from contextlib import contextmanager
from functools import partial

import av
import pytest

from taplab.video import Reading, open_video
from taplab.video.mute import MOST, Mute

CODECS = {"h264": {}, "mpeg2video": {}, "hevc": {"x265-params": "log-level=error"}}
CHANGES = [("hevc", "mpeg2video"), ("mpeg2video", "h264"), ("h264", "hevc")]


@pytest.fixture
def streams(make_clip):
    """``streams(first, second)``: 30 frames of a codec, and 150 of another."""

    def streams(first, second):
        one, other = (make_clip(c, ".ts", options=CODECS[c]).read_bytes() for c in (first, second))
        return one, 5 * other

    return streams


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@contextmanager
def served(folder):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@contextmanager
def sending(*connections):
    """The address of a server that sends bytes to each that comes, as long as it listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            for data in connections:
                peer, _ = server.accept()
                with peer:
                    try:
                        peer.sendall(data)
                    except OSError:
                        continue
            server.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("change", CHANGES, ids=" then ".join)
def test_of_a_recording_what_is_not_understood_is_counted(streams, tmp_path, change):
    first, second = streams(*change)
    (tmp_path / "joined.ts").write_bytes(first + second)
    with served(tmp_path) as address:
        video = open_video(f"{address}/joined.ts")
        frames = list(video.frames())
    assert 25 <= len(frames) <= 35
    assert video.lost >= 140
    assert video.broke_off


@pytest.mark.parametrize("change", CHANGES, ids=" then ".join)
def test_a_live_stream_is_opened_anew(streams, change):
    first, second = streams(*change)
    with sending(first + second, second) as address:
        video = open_video(address, Reading(timeout=5, reconnect=3))
        frames = list(video.frames())
    assert video.reconnects == 1
    assert len(frames) > 25 + 145
    assert video.lost >= MOST


def test_a_run_is_counted_once_it_is_too_long():
    mute, packet, nothing_new = Mute(), av.Packet(b"x" * 100), av.Packet(b"x" * 8)
    assert not any(mute(packet, 0) for _ in range(2 * MOST))  # a picture was never there
    mute(packet, 1)
    assert not any(mute(packet, 0) for _ in range(MOST - 1))
    mute(packet, 2)
    assert not any(mute(nothing_new, 0) for _ in range(2 * MOST))
    assert mute.count == 0
    assert [mute(packet, 0) for _ in range(MOST + 3)] == [False] * (MOST - 1) + [True] * 4
    assert mute.count == MOST + 3
