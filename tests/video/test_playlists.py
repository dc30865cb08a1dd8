"""Playlists on loopback and on the disk: segments made one by one, cut short, missing; lists of files."""

import http.server
import os
import threading
from contextlib import contextmanager
from functools import partial

import av
import numpy as np
import pytest

from taplab import SourceError
from taplab.video import Reading, Video, open_video
from taplab.video.encode import encode_clip
from taplab.video.playlist import ended

WAYS = {
    "h264": ("h264", {}),
    "h264 with B-frames": ("h264", {"bf": "2"}),
    "mpeg2": ("mpeg2video", {}),
    "hevc": ("hevc", {"x265-params": "log-level=error"}),
}


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


class WithoutLength(Quiet):
    """Takes no notice of the range of bytes that is asked for, and sends the first third."""

    def copyfile(self, source, target):
        data = source.read()
        target.write(data if data.startswith(b"#EXTM3U") else data[: len(data) // 3])


@contextmanager
def served(folder, handler=Quiet):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture
def playlist(drive, tmp_path):
    """``playlist(way)``: three segments of ten frames, each with packet counters of its own; the video they are of."""

    def playlist(way, missing=()):
        codec, options = WAYS[way]
        whole = encode_clip(tmp_path / "whole.ts", [rgb for rgb, _ in drive], codec=codec, gop=10, options=options)
        files = str(tmp_path / "part%d.ts")
        with av.open(str(whole)) as a, av.open(files, "w", format="segment", options={"segment_time": "0.01"}) as b:
            stream = b.add_stream_from_template(a.streams.video[0])
            for packet in a.demux(a.streams.video[0]):
                if packet.dts is not None:
                    packet.stream = stream
                    b.mux(packet)
        names = [f"part{i}.ts" for i in range(3) if i not in missing]
        seconds = "".join(f"#EXTINF:0.4,\n{name}\n" for name in names)
        (tmp_path / "list.m3u8").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n{seconds}#EXT-X-ENDLIST\n")
        return whole

    return playlist


@pytest.mark.parametrize("way", WAYS)
def test_segments_made_one_by_one_are_no_damage(playlist, tmp_path, way):
    expected = list(open_video(playlist(way)).frames())
    with served(tmp_path) as address:
        for source in (f"{address}/list.m3u8", tmp_path / "list.m3u8"):
            frames = list(open_video(source, Reading(timeout=5)).frames())
            assert len(frames) == len(expected) == 30
            assert not any(f.damaged for f in frames)
            for frame, other in zip(frames, expected, strict=True):
                np.testing.assert_array_equal(frame.rgb(), other.rgb())


def test_a_playlist_on_the_disk_that_was_never_finished_is_read_from_its_beginning(playlist, tmp_path):
    """FFmpeg begins with the last segments but two of a stream."""
    playlist("h264")
    path = tmp_path / "list.m3u8"
    text = path.read_text().replace("#EXT-X-ENDLIST\n", "")
    path.write_text(text + text[text.index("#EXTINF") :])
    assert len(list(open_video(path, Reading(timeout=5, max_frames=60)).frames())) == 60


@pytest.mark.parametrize("way", WAYS)
def test_a_playlist_that_grows_no_more_is_not_waited_for(playlist, tmp_path, way):
    expected = list(Video(playlist(way)).frames())
    path = tmp_path / "list.m3u8"
    path.write_text(path.read_text().replace("#EXT-X-ENDLIST\n", ""))
    assert ended(str(path)) is None  # it may be written to
    os.utime(path, (0, 0))
    video = open_video(path, Reading(timeout=2))
    frames = list(video.frames())
    assert (video.live, video.broke_off, video.lost) == (False, None, 0)
    assert [f.damaged for f in frames] == [False] * 30
    np.testing.assert_array_equal(frames[20].rgb(), expected[20].rgb())


@pytest.mark.parametrize("name", ["master.m3u8", "file:list.m3u8", "file:master.m3u8"])
def test_neither_is_one_behind_another_or_with_its_protocol(playlist, tmp_path, name, monkeypatch):
    playlist("h264")
    path = tmp_path / "list.m3u8"
    path.write_text(path.read_text().replace("#EXT-X-ENDLIST\n", ""))
    (tmp_path / "master.m3u8").write_text("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=100000\nlist.m3u8\n")
    monkeypatch.chdir(tmp_path)
    assert ended(name) is None  # it may be written to
    os.utime(path, (0, 0))
    assert ended(name) is not None
    video = open_video(name, Reading(timeout=2))
    assert len(list(video.frames())) == 30
    assert (video.live, video.broke_off, video.lost) == (False, None, 0)


@pytest.mark.parametrize("line", ['#EXT-X-KEY:METHOD=AES-128,URI="key"', "http://nowhere/part.ts", "#EXT-X-ENDLIST"])
def test_what_only_ffmpeg_can_open_is_left_to_it(playlist, tmp_path, line):
    playlist("h264")
    path = tmp_path / "list.m3u8"
    path.write_text(path.read_text().replace("#EXT-X-ENDLIST\n", "") + line)
    os.utime(path, (0, 0))
    assert ended(str(path)) is None


def test_a_segment_that_was_left_out_is_told(playlist, tmp_path):
    playlist("h264", missing=[1])
    video = open_video(tmp_path / "list.m3u8", Reading(timeout=5))
    frames = list(video.frames())
    assert len(frames) == 20
    assert any(f.damaged for f in frames)


@pytest.mark.parametrize("way", WAYS)
def test_a_segment_that_is_not_there_is_counted(playlist, tmp_path, way):
    """FFmpeg passes over it; the list says how long all of it is."""
    playlist(way)
    path = tmp_path / "list.m3u8"
    path.write_text(path.read_text().replace("#EXTINF:0.4", "#EXTINF:0.667"))
    video = open_video(path, Reading(timeout=5))
    assert len(list(video.frames())) == 30
    assert (video.lost, video.broke_off) == (0, None)
    (tmp_path / "part1.ts").unlink()
    unfinished = tmp_path / "unfinished.m3u8"
    unfinished.write_text(path.read_text().replace("#EXT-X-ENDLIST\n", ""))
    os.utime(unfinished, (0, 0))
    for source in (path, unfinished):
        video = open_video(source, Reading(timeout=5))
        assert 18 <= len(list(video.frames())) <= 20
        assert 9 <= video.lost <= 12
        assert video.broke_off == "0.7 s are missing in the middle"


def test_a_server_that_sends_less_than_the_list_promises(drive, tmp_path):
    frames = [rgb for rgb, _ in drive] * 4
    whole = encode_clip(tmp_path / "whole.ts", frames, codec="h264", gop=30)
    size = whole.stat().st_size
    (tmp_path / "list.m3u8").write_text(
        f"#EXTM3U\n#EXT-X-VERSION:4\n#EXT-X-TARGETDURATION:10\n#EXTINF:8,\n#EXT-X-BYTERANGE:{size}@0\nwhole.ts\n"
        "#EXT-X-ENDLIST\n"
    )
    with served(tmp_path, WithoutLength) as address:
        video = open_video(f"{address}/list.m3u8", Reading(timeout=5))
        assert 0 < len(list(video.frames())) < 60
    assert video.lost > 0
    assert video.broke_off.endswith("of 8 s")


@pytest.mark.parametrize("text", ["", "#EXTM3U\n#EXT-X-ENDLIST\n", "#EXTM3U\n#EXTINF:2,\nnowhere.ts\n#EXT-X-ENDLIST\n"])
def test_a_playlist_of_nothing_says_so(tmp_path, text):
    (tmp_path / "list.m3u8").write_text(text)
    with pytest.raises(SourceError, match=r"list.m3u8: not a playlist, or FFmpeg cannot or may not read its segments"):
        open_video(tmp_path / "list.m3u8", Reading(timeout=5))


@pytest.mark.parametrize("head", ["ffconcat version 1.0\n", "", "# two parts\n\n"])
def test_a_list_of_files_is_read_one_after_another(make_clip, tmp_path, head):
    clip = make_clip("h264")
    (tmp_path / "list.txt").write_text(f"{head}file '{clip}'\nfile '{clip}'\n")
    frames = list(open_video(tmp_path / "list.txt").frames())
    assert len(frames) == 60
    assert not any(f.damaged for f in frames)


@pytest.fixture
def encrypted(make_clip, tmp_path):
    """A playlist of thirty frames, encrypted with AES-128, whose key lies beside it."""
    (tmp_path / "secret.key").write_bytes(bytes(range(16)))
    (tmp_path / "info.txt").write_text(f"secret.key\n{tmp_path / 'secret.key'}\n")
    options = {"hls_time": "0.5", "hls_list_size": "0", "hls_key_info_file": str(tmp_path / "info.txt")}
    path = str(tmp_path / "list.m3u8")
    with av.open(str(make_clip("h264", ".ts", gop=10))) as clip, av.open(path, "w", options=options) as out:
        stream = out.add_stream_from_template(clip.streams.video[0])
        for packet in clip.demux(video=0):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    assert "METHOD=AES-128" in (tmp_path / "list.m3u8").read_text()
    return tmp_path


def test_encrypted_segments_whose_key_is_there(encrypted):
    with served(encrypted) as address:
        for source in (f"{address}/list.m3u8", encrypted / "list.m3u8"):
            assert len(list(open_video(source, Reading(timeout=5)).frames())) == 30


@pytest.mark.parametrize("key", [b"", bytes(16), None], ids=["empty", "wrong", "gone"])
def test_encrypted_segments_whose_key_is_not(encrypted, key):
    (encrypted / "secret.key").unlink()
    if key is not None:
        (encrypted / "secret.key").write_bytes(key)
    says = "its key cannot be had" if key is None else "cannot or may not read its segments or their key"
    with served(encrypted) as address:
        for source in (f"{address}/list.m3u8", encrypted / "list.m3u8"):
            with pytest.raises(SourceError, match=says):
                open_video(source, Reading(timeout=5))


@pytest.mark.parametrize(
    ("key", "over_http", "says"),
    [
        ("none.key", False, "its key cannot be had: file://.*none.key .*No such file"),
        ("http://localhost/some.key", False, "does not fetch the key of a file from http://localhost/some.key; save"),
        ("none.key", True, "its key cannot be had: http://.*none.key .File not found"),
    ],
)
def test_a_key_that_an_unfinished_playlist_waits_for_is_told(tmp_path, key, over_http, says):
    (tmp_path / "part0.ts").write_bytes(bytes(16 * 1000))
    lines = f'#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-KEY:METHOD=AES-128,URI="{key}"\n#EXTINF:1,\npart0.ts\n'
    (tmp_path / "list.m3u8").write_text(lines)
    with served(tmp_path) as address, pytest.raises(SourceError, match=says):
        open_video(f"{address}/list.m3u8" if over_http else tmp_path / "list.m3u8", Reading(timeout=1))
