"""How much a container says it holds, and whether that came."""

import struct
from fractions import Fraction

import av
import numpy as np
import pytest

from taplab.video.reader import Video


def test_avi_at_twice_the_rate_has_every_second_slot_empty_and_is_whole(make_clip, tmp_path):
    clip = tmp_path / "twice.avi"
    with av.open(str(make_clip("mpeg4", ".avi"))) as a, av.open(str(clip), "w") as b:
        stream = b.add_stream_from_template(a.streams.video[0])
        for packet in a.demux(a.streams.video[0]):
            if packet.dts is not None:
                packet.dts = packet.pts = 2 * packet.dts
                packet.duration, packet.stream = 2, stream
                b.mux(packet)
    with av.open(str(clip)) as container:
        assert container.streams.video[0].frames == 60
    video = Video(clip)
    assert len(list(video.frames())) == 30
    assert (video.lost, video.broke_off) == (0, None)


def test_avi_whose_slots_are_fields_takes_as_long_as_it_says(make_clip, tmp_path):
    """As FFmpeg writes H.264 that it copies: two slots a frame."""
    clip = tmp_path / "fields.avi"
    with av.open(str(make_clip("h264", ".avi", options={"bf": "2"}))) as a, av.open(str(clip), "w") as b:
        stream = b.add_stream_from_template(a.streams.video[0])
        stream.time_base = Fraction(1, 30)
        for i, packet in enumerate(p for p in a.demux(a.streams.video[0]) if p.size):
            packet.pts = packet.dts = 2 * i
            packet.time_base, packet.duration, packet.stream = Fraction(1, 30), 1, stream
            b.mux(packet)
    with av.open(str(clip)) as container:
        assert container.streams.video[0].average_rate == 30
    video = Video(clip)
    times = sorted(float(f.pts * f.time_base) for f in video.frames())
    assert [round(15 * (time - times[0]), 3) for time in times] == list(range(30))
    assert (video.rate, video.lost) == (15, 0)


@pytest.fixture
def gaps(tmp_path):
    """An AVI file of 41 slots of time: 38 frames, and three slots without a packet."""
    with av.open(str(tmp_path / "gaps.avi"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for time in [*range(10), *range(13, 41)]:
            noise = np.random.default_rng(time).integers(0, 255, (48, 64, 3), dtype=np.uint8)
            picture = av.VideoFrame.from_ndarray(noise)
            picture.pts, picture.time_base = time, Fraction(1, 25)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return tmp_path / "gaps.avi"


def test_slots_of_an_avi_file_without_a_packet_are_no_loss(gaps):
    with av.open(str(gaps)) as container:
        assert container.streams.video[0].frames == 41
    video = Video(gaps)
    assert len(list(video.frames())) == 38
    assert (video.broke_off, video.lost) == (None, 0)


@pytest.mark.parametrize("share", [0.5, 0.8])
def test_a_cut_avi_file_says_so_and_counts_frames_not_slots(gaps, share):
    data = gaps.read_bytes()
    gaps.write_bytes(data[: int(len(data) * share)])
    video = Video(gaps)
    given = len(list(video.frames()))
    assert video.broke_off == "the file ends early"
    assert 38 <= given + video.lost <= 41  # of slots behind the cut nobody knows which are empty


def test_a_cut_matroska_file_says_so(make_clip, tmp_path):
    whole = make_clip("mpeg4", ".mkv").read_bytes()
    (tmp_path / "cut.mkv").write_bytes(whole[: len(whole) // 2])
    video = Video(tmp_path / "cut.mkv")
    frames = list(video.frames())
    assert video.broke_off
    assert abs(video.lost + len(frames) - 30) <= 1
    whole = Video(make_clip("mpeg4", ".mkv"))
    assert len(list(whole.frames())) == 30
    assert whole.broke_off is None


@pytest.fixture
def vp8(tmp_path):
    """``vp8(name, times)``: frames at these times, in fifteenths of a second, as they are muxed."""

    def write(name, times):
        with av.open(str(tmp_path / name), "w") as container:
            stream = container.add_stream("libvpx", rate=15, options={"deadline": "realtime", "lag-in-frames": "0"})
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            for time in times:
                noise = np.random.default_rng(time).integers(0, 255, (48, 64, 3), dtype=np.uint8)
                picture = av.VideoFrame.from_ndarray(noise)
                picture.pts, picture.time_base = time, Fraction(1, 15)
                container.mux(stream.encode(picture))
            container.mux(stream.encode())
        return tmp_path / name

    return write


@pytest.mark.parametrize("suffix", [".mkv", ".webm"])
def test_matroska_of_a_variable_rate_is_whole_and_tells_where_it_was_cut(vp8, suffix):
    """It announces a length and a frame duration, which together make more frames than there are."""
    clip = vp8(f"variable{suffix}", [i * (i + 3) // 2 for i in range(30)])
    video = Video(clip)
    assert len(list(video.frames())) == 30
    assert (video.rate, video.broke_off, video.lost) == (15, None, 0)
    data = clip.read_bytes()
    clip.write_bytes(data[: len(data) // 2])
    video = Video(clip)
    assert 0 < len(list(video.frames())) < 30
    assert video.broke_off == "the file ends early"
    assert video.lost > 2


def test_packets_that_are_missing_in_the_middle_of_matroska_are_told(vp8):
    video = Video(vp8("holed.webm", [*range(9), *range(13, 40)]))
    assert len(list(video.frames())) == 36
    assert (video.broke_off, video.lost) == ("packets are missing in the middle", 4)


@pytest.mark.parametrize("count", [30, 30 * 1000 // 15])
def test_an_ivf_file_that_counts_ticks_is_whole(vp8, tmp_path, count, remuxed):
    """As older FFmpeg wrote it: the length in ticks, here milliseconds, in place of the number of frames."""
    clip = remuxed(vp8("ticks.webm", range(30)), tmp_path / "ticks.ivf", lambda i: True)
    data = clip.read_bytes()
    clip.write_bytes(data[:24] + count.to_bytes(4, "little") + data[28:])
    video = Video(clip)
    assert len(list(video.frames())) == 30
    assert (video.broke_off, video.lost) == (None, 0)


def test_a_cut_ivf_file_says_so(vp8):
    clip = vp8("cut.ivf", range(30))
    data = clip.read_bytes()
    clip.write_bytes(data[: len(data) // 2])
    video = Video(clip)
    given = len(list(video.frames()))
    assert video.broke_off == "the file ends early"
    assert given + video.lost == 30


def test_a_cut_file_gives_what_is_there_and_says_so(make_clip, tmp_path):
    whole = make_clip("mpeg4", ".mp4")
    moved = remuxed_with_index_first(whole, tmp_path / "front.mp4")
    clip = tmp_path / "cut.mp4"
    clip.write_bytes(moved.read_bytes()[: int(moved.stat().st_size * 0.6)])
    video = Video(clip)
    frames = list(video.frames())
    assert 5 < len(frames) < 30
    assert video.lost == 30 - len(frames)
    assert video.broke_off


@pytest.fixture
def edited(make_clip, tmp_path):
    """``edited(codec, hidden, shown)``: of an mp4 of 30 frames ``shown``, behind ``hidden``, by its edit list.

    Its index comes first, and a GOP is 12 frames.
    """

    def edit(codec, hidden, shown):
        data = bytearray(remuxed_with_index_first(make_clip(codec), tmp_path / "edited.mp4").read_bytes())
        with av.open(str(tmp_path / "edited.mp4")) as container:
            ticks_a_frame = 1 / (container.streams.video[0].time_base * 15)
        at = data.index(b"elst") + 12
        data[at : at + 8] = struct.pack(">II", 1000 * shown // 15, int(hidden * ticks_a_frame))
        (tmp_path / "edited.mp4").write_bytes(data)
        return tmp_path / "edited.mp4"

    return edit


@pytest.mark.parametrize("codec", ["mpeg4", "h264", "hevc"])
@pytest.mark.parametrize(("hidden", "shown"), [(17, 13), (0, 9), (5, 12)])
def test_what_an_edit_list_hides_is_not_lost(edited, codec, hidden, shown):
    video = Video(edited(codec, hidden, shown))
    assert video.expected_frames == shown
    assert len(list(video.frames())) == shown
    assert (video.broke_off, video.lost) == (None, 0)


def test_a_cut_file_with_an_edit_list_says_so(edited):
    clip = edited("mpeg4", 14, 16)
    data = clip.read_bytes()
    clip.write_bytes(data[: int(len(data) * 0.8)])
    video = Video(clip)
    given = len(list(video.frames()))
    assert video.broke_off == "the file ends early"
    assert 0 < given < 16
    assert given + video.lost == 16


def remuxed_with_index_first(source, target):
    with av.open(str(source)) as a, av.open(str(target), "w", options={"movflags": "faststart"}) as b:
        stream = b.add_stream_from_template(a.streams.video[0])
        for packet in a.demux(a.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                b.mux(packet)
    return target
