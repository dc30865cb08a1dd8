"""Streams and recordings from real HTTP servers: with a length, in chunks, until the connection is closed."""

import http.server
import itertools
import signal
import threading
import time
from contextlib import contextmanager, suppress

import pytest

from taplab import Segmenter, SourceError
from taplab.video import Reading, open_video
from taplab.video.encode import encode_clip
from taplab.video.live import LiveVideo
from taplab.video.pace import Incoming

PIECE = 188 * 20
SECONDS = 2.0  # that the clip lasts


class Server(http.server.BaseHTTPRequestHandler):
    """/file says how long it is; /chunked marks its end, /closed does not; with ?slow the clip takes as long as it
    plays, and more, with ?stalling the last fifth does not come. /ranges hands out any part, and closes connections
    without saying so. Every connection gets the next of ``served``, the last one again and again.
    """

    served, timeout = (), 10

    def do_GET(self):
        data, path = next(self.served), self.path
        self.protocol_version = "HTTP/1.0" if path.startswith("/closed") else "HTTP/1.1"
        start = int(self.headers.get("Range", "bytes=0-")[6:-1]) if path.startswith("/ranges") else 0
        self.send_response(206 if path.startswith("/ranges") else 200)
        if path.startswith("/ranges"):
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            data = data[start:]
        if path.startswith(("/file", "/ranges")):
            self.send_header("Content-Length", str(len(data)))
        elif path.startswith("/chunked"):
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with suppress(ConnectionError):
            stalling = path.endswith("?stalling")
            data = data[: len(data) * 4 // 5] if stalling else data
            self.send(data, chunked=path.startswith("/chunked"), slow=path.endswith("?slow"))
            if stalling:
                self.connection.recv(1)  # until the reader goes
        self.close_connection = True

    def send(self, data, *, chunked, slow):
        pieces = [data[at : at + PIECE] for at in range(0, len(data), PIECE)]
        for piece in pieces:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            if slow:
                time.sleep(1.15 * SECONDS / len(pieces))
        if chunked:
            self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_):
        pass


@contextmanager
def server(*served):
    """The address of one; each connection gets the next of ``served``, bytes."""
    each = itertools.chain(served, itertools.repeat(served[-1]))
    handler = type("Handler", (Server,), {"served": each})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.mark.parametrize(
    ("path", "live"),
    [("/file", False), ("/chunked", False), ("/closed", False), ("/chunked?slow", True), ("/closed?slow", True)],
)
def test_what_comes_no_faster_than_it_plays_is_live(clip, model, path, live):
    with server(clip.read_bytes()) as address:
        segmentation = Segmenter(model).stream(address + path, timeout=5, reconnect=0, keep_all=True)
        assert segmentation.source.live is live
        assert segmentation.policy.name == ("live" if live else "offline")
        assert [result.index for result in segmentation] == list(range(30))
    assert segmentation.source.broke_off is None
    assert segmentation.summary().damaged == 0


@pytest.mark.parametrize("path", ["/chunked", "/closed"])
def test_a_recording_is_read_once(clip, model, tmp_path, path):
    with server(clip.read_bytes()) as address:
        summary = Segmenter(model).run(address + path, tmp_path, timeout=5)
    assert (summary.frames, summary.dropped, summary.damaged, summary.mode) == (30, 0, 0, "offline")
    assert bool(summary.notes) == (path == "/closed")  # whether it was cut off nobody knows


@pytest.mark.parametrize("path", ["/chunked?slow", "/closed?slow"])
def test_a_recording_that_comes_slowly_is_known_when_it_comes_again(clip, path):
    with server(clip.read_bytes()) as address:
        video = open_video(address + path, Reading(timeout=5, reconnect=20))
        frames = list(video.frames())
    assert isinstance(video, LiveVideo)
    assert len(frames) == 30
    assert (video.reconnects, video.broke_off, video.lost) == (0, None, 0)
    assert video.notes == ["its server begins again with what came first: this is taken for the end"]


@pytest.mark.parametrize("path", ["/chunked?slow", "/closed?slow"])
def test_a_stream_that_broke_off_goes_on(clip, drive, tmp_path, path):
    other = encode_clip(tmp_path / "later.ts", [rgb for rgb, _ in drive][::-1], codec="h264", gop=10)
    with server(clip.read_bytes(), other.read_bytes()) as address:
        video = open_video(address + path, Reading(timeout=5, reconnect=20, max_frames=45))
        frames = list(video.frames())
    assert [frame.display for frame in frames] == list(range(45))
    assert (video.reconnects, video.notes) == (1, [])
    assert frames[-1].scene > frames[0].scene


def test_an_interrupt_does_not_wait_for_a_server_that_stalls(make_clip, model, monkeypatch):
    """The thread that reads goes, and releases the source, when the read ends."""
    monkeypatch.setattr("taplab.segmentation._PATIENCE", 0.1)
    with server(make_clip("mpeg4", ".mkv").read_bytes()) as address:
        segmentation = Segmenter(model, mode="per-frame", lanes=1).stream(address + "/file?stalling", timeout=4)
        assert not segmentation.source.live
        started = time.monotonic()
        threading.Timer(1, segmentation.interrupt).start()  # by then what came is worked out
        with pytest.raises(KeyboardInterrupt):
            list(segmentation)
        assert time.monotonic() - started < 3
        assert segmentation.counts.frames > 10
        (reader,) = (thread for thread in threading.enumerate() if thread.name == "taplab-reader")
        reader.join(20)
        assert not reader.is_alive()
    assert not segmentation.source._reading.locked()


@pytest.mark.parametrize("container", ["ts", "mp4"])
def test_nothing_is_skipped_where_the_server_closes_what_ffmpeg_would_use_again(make_clip, container):
    clip = make_clip(codec="h264", suffix=f".{container}")
    with server(clip.read_bytes()) as address:
        video = open_video(f"{address}/ranges.{container}", Reading(timeout=5))
        assert [frame.display for frame in video.frames()] == list(range(30))
    assert (video.notes, video.lost, video.broke_off) == ([], 0, None)


@pytest.mark.parametrize(("share", "lost"), [(1.0, False), (0.5, True)])
def test_a_file_that_knows_its_length_tells_whether_it_all_came(make_clip, share, lost):
    data = make_clip(codec="h264", suffix=".mkv").read_bytes()
    with server(data[: round(share * len(data))]) as address:
        video = open_video(f"{address}/closed", Reading(timeout=5))
        frames = list(video.frames())
    assert (len(frames) < 30) is lost
    assert (video.broke_off, video.notes) == ("the file ends early" if lost else None, [])
    assert len(frames) + video.lost == 30


def test_an_index_at_the_end_that_comes_in_chunks(make_clip):
    with server(make_clip(codec="h264", suffix=".mp4").read_bytes()) as address:
        video = open_video(f"{address}/chunked", Reading(timeout=5))
        with pytest.raises(SourceError, match="its index comes last, and its server hands it out only from the begin"):
            list(video.frames())


def test_ctrl_c_does_not_wait_for_what_is_looked_at(drive, tmp_path):
    frames = [rgb for rgb, _ in drive] * 2  # enough for FFmpeg to open it, and not to wait before
    data = encode_clip(tmp_path / "clip.ts", frames, codec="h264", gop=10, fps=25).read_bytes()
    silent, begun = threading.Event(), threading.Event()

    class Stalling(Server):
        served = itertools.repeat(data[: len(data) * 2 // 3])

        def send(self, data, **_):
            self.wfile.write(data)
            silent.wait(60)

    def interrupt():
        if begun.wait(60):
            time.sleep(0.3)  # FFmpeg waits by then
            signal.raise_signal(signal.SIGINT)

    def look(incoming, since):
        begun.set()
        return outruns(incoming, since)

    outruns = Incoming.outruns_the_clock
    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stalling) as running,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(Incoming, "outruns_the_clock", look)
        threading.Thread(target=running.serve_forever, daemon=True).start()
        threading.Thread(target=interrupt, daemon=True).start()
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            open_video(f"http://127.0.0.1:{running.server_port}/closed", Reading(timeout=20))
        assert time.monotonic() - began < 15
        silent.set()
        running.shutdown()
