"""A live source that breaks off: taken up again, given up, closed. One count of frames over all connections."""

import itertools
import threading
import time

import av
import pytest

from taplab import Segmenter, SettingError, SourceError
from taplab.video import Reading, open_video
from taplab.video.encode import encode_clip
from taplab.video.live import LiveVideo
from taplab.video.reader import Video


def test_a_sender_that_comes_back(clip, sending):
    """One count of frames over both connections; a new scene; nothing is warped across, nothing doubtful."""
    data = clip.read_bytes()
    with sending(data, data) as address:
        video = open_video(address, Reading(timeout=5, reconnect=3))
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
    assert video.broke_off == "the sender closed the connection, and did not come back within 3 s"
    assert video.lost == 0


def test_masks_and_overlay_go_on_after_a_break(clip, sending, model, tmp_path):
    data = clip.read_bytes()
    with sending(data, data) as address:
        summary = Segmenter(model).run(address, tmp_path, timeout=5, reconnect=3, keep_all=True)
    assert (summary.frames, summary.dropped, summary.reconnects, summary.mode) == (60, 0, 1, "live")
    assert summary.notes == ["the connection was lost and taken up again 1 time"]
    assert len(list((tmp_path / "masks").iterdir())) == 60
    with av.open(str(tmp_path / "overlay.mp4")) as overlay:
        stamps = [frame.pts for frame in overlay.decode(video=0)]
    assert len(stamps) == 60
    assert stamps == sorted(set(stamps))


def test_a_stream_that_is_joined_long_before_its_next_key_frame(drive, sending, tmp_path):
    """What comes before is no damage; the size is known from the first frame on, not when it is opened."""
    frames = [rgb[:64, :96] for rgb, _ in drive] * 7
    data = encode_clip(tmp_path / "whole.ts", frames, codec="h264", fps=25, gop=200).read_bytes()
    with sending(data[:564] + data[len(data) // 20 // 188 * 188 :]) as address:
        video = open_video(address, Reading(timeout=2, reconnect=0))
        assert video.width == 0
        assert len(list(video.frames())) == 10
    assert (video.width, video.height, video.lost) == (96, 64, 0)
    assert video.broke_off is None


def test_no_reconnecting_where_it_is_not_wanted(clip, sending):
    with sending(clip.read_bytes(), clip.read_bytes()) as address:
        video = open_video(address, Reading(timeout=5, reconnect=0))
        assert len(list(video.frames())) == 30
    assert (video.reconnects, video.broke_off) == (0, None)


def test_what_is_worth_telling_of_its_pictures_is_told(make_clip, sending):
    clip = make_clip("h264", ".ts", gop=10, options={"x264-params": "colormatrix=YCgCo"})
    with sending(clip.read_bytes()) as address:
        video = open_video(address, Reading(timeout=5, reconnect=0))
        assert len(list(video.frames())) == 30
    (note,) = video.notes
    assert "does not know how its colours are coded" in note


def test_tries_become_rarer_and_end(clip):
    tried = []

    def refuse(limit):
        tried.append(limit)
        raise SourceError("nobody there")

    video = Video(clip, Reading(reconnect=2))
    video.connected_anew, video._decoder.has_an_end = refuse, False
    live = LiveVideo(video)
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

    video = Video(broken, Reading(reconnect=2))
    video.connected_anew = refuse
    live = LiveVideo(video)
    assert len(list(live.frames())) == 29
    assert live.broke_off


def test_connections_without_a_frame_do_not_count(clip, sending):
    """A sender that answers and has nothing to say is not there."""
    data = clip.read_bytes()
    with sending(data, b"", data[:1000], data) as address:
        video = open_video(address, Reading(timeout=5, reconnect=10, max_frames=40))
        assert len(list(video.frames())) == 40
    assert video.reconnects == 1


@pytest.mark.parametrize("reconnect", [-1, float("nan")])
def test_reconnect_must_not_be_negative(tmp_path, reconnect):
    with pytest.raises(SettingError, match="reconnect"):
        open_video(tmp_path, Reading(reconnect=reconnect))


def test_closing_does_not_wait_for_a_read_that_hangs(clip, sending):
    """The reader ends by its own time limit; what it held is released then."""
    with sending(clip.read_bytes(), hold=True) as address:
        video = open_video(address, Reading(timeout=3, reconnect=30))
        frames = []
        reader = threading.Thread(target=lambda: frames.extend(video.frames()))
        reader.start()
        while len(frames) < 1 and reader.is_alive() and not video._video._reading.locked():
            time.sleep(0.01)
        started = time.monotonic()
        video.close()
        assert time.monotonic() - started < 1
        reader.join(20)
        assert not reader.is_alive()
    assert video.reconnects == 0
