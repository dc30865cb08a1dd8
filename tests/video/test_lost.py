"""Frames that do not come of their packets are counted. FFmpeg gives out no HEVC that refers to what is lost."""

import re

import av
import numpy as np
import pytest

from taplab.video.encode import encode_clip
from taplab.video.hevc import HevcHeaders
from taplab.video.reader import Video
from taplab.video.reading import AS_USUAL, Reading

GOPS = {"closed": "open-gop=0:bframes=4:b-pyramid=1", "open": "open-gop=1:bframes=4:b-pyramid=1", "P": "bframes=0"}
CRA, BLA, RASL = 21, 16, 8
SUFFIXES = (".mp4", ".mkv", ".ts", ".hevc")


@pytest.fixture
def clip(make_clip):
    """``clip(gop)``: 30 frames, an IRAP picture every 12."""

    def clip(gop):
        return make_clip("hevc", options={"x265-params": f"{GOPS[gop]}:log-level=error:scenecut=0:b-adapt=0"})

    return clip


def kind(packet):
    """NAL unit type of its picture."""
    data, at, kinds = bytes(packet), 0, []
    while at < len(data):
        kinds.append(data[at + 4] >> 1 & 63)
        at += 4 + int.from_bytes(data[at : at + 4], "big")
    return next(k for k in kinds if k < 32)


def without(source, target, lost, as_kind=None):
    """The clip without some packets; CRA pictures get another kind. Returns how many packets are left."""
    with av.open(str(source)) as a, av.open(str(target), "w") as b:
        stream, left = b.add_stream_from_template(a.streams.video[0], opaque=True), 0
        for i, packet in enumerate(a.demux(a.streams.video[0])):
            if packet.size and i not in lost:
                new = packet
                if as_kind and kind(packet) == CRA:
                    data = bytes(packet)
                    new = av.Packet(data.replace(bytes([CRA << 1, 1]), bytes([as_kind << 1, 1]), 1))
                    new.pts, new.dts, new.time_base = packet.pts, packet.dts, packet.time_base
                    new.is_keyframe, new.duration = True, packet.duration
                new.stream = stream
                b.mux(new)
                left += 1
    return left


def frames_and_lost(path, reading=AS_USUAL):
    video = Video(path, reading)
    frames = list(video.frames())
    assert not any(frame.damaged for frame in frames)
    return len(frames), video.lost


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("gop", GOPS)
def test_frames_that_do_not_come_are_counted(clip, tmp_path, gop, suffix):
    target, untold = tmp_path / f"mutant{suffix}", 0
    for lost in ([], [1], [1, 2, 3], [5], [12], [13], [12, 13], [20], [25], [28, 29]):
        left = without(clip(gop), target, lost)
        frames, told = frames_and_lost(target)
        assert left <= frames + told <= (30 if suffix == ".mkv" else left), lost  # Matroska holds a duration
        assert lost or frames == 30
        untold += frames == left
    assert untold < 7  # the others took more down with them


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_stream_that_is_cut_where_decoding_can_begin_is_whole(clip, tmp_path, suffix):
    """Its leading pictures refer to what was before: they are not to be shown."""
    target = tmp_path / f"cut{suffix}"
    assert without(clip("open"), target, range(11)) == 19
    assert frames_and_lost(target) == (18, 0)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_a_stream_begins_with_and_cannot_be_decoded_is_no_loss(clip, tmp_path, suffix):
    """As of a recording that was begun in the middle; it is told as such."""
    target = tmp_path / f"cut{suffix}"
    without(clip("open"), target, range(5))
    video = Video(target)
    assert (len(list(video.frames())), video.lost) == (18, 0)
    assert video.notes == ["it begins with 6 frames that cannot be decoded"]


@pytest.mark.parametrize("codec", ["h264", "mpeg2video"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_of_other_codecs_too(make_clip, tmp_path, codec, suffix):
    target = tmp_path / f"cut{suffix}"
    without(make_clip(codec), target, range(5))
    video = Video(target)
    assert (len(list(video.frames())), video.lost) == (18, 0)
    assert video.notes == ["it begins with 7 frames that cannot be decoded"]


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_what_comes_before_the_parameter_sets_is_no_loss(drive, tmp_path, codec):
    """The decoder refuses it; FFmpeg does not look as far ahead as the key frame, eight seconds."""
    frames = [rgb[:64, :96] for rgb, _ in drive] * 7
    data = encode_clip(tmp_path / "whole.ts", frames, codec=codec, fps=25, gop=200).read_bytes()
    first_packets = len(data) // 20 // 188 * 188
    (tmp_path / "cut.ts").write_bytes(data[:564] + data[first_packets:])  # behind the tables
    video = Video(tmp_path / "cut.ts")
    assert (len(list(video.frames())), video.lost, video.broke_off) == (10, 0, None)
    assert re.fullmatch(r"it begins with 1[89]\d frames that cannot be decoded", *video.notes)


def test_a_decoder_that_refuses_all_is_told(drive, tmp_path):
    frames = [rgb[:64, :96] for rgb, _ in drive]
    data = encode_clip(tmp_path / "whole.ts", frames, codec="h264", gop=200).read_bytes()
    (tmp_path / "cut.ts").write_bytes(data[:564] + data[len(data) // 4 // 188 * 188 :])
    video = Video(tmp_path / "cut.ts")
    assert not list(video.frames())
    assert video.broke_off == "Invalid data found when processing input"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_leading_pictures_of_a_splice_are_not_to_be_shown(clip, tmp_path, suffix):
    target = tmp_path / f"spliced{suffix}"
    without(clip("open"), target, [], as_kind=BLA)
    assert frames_and_lost(target) == (28, 0)


H264 = {"P": {}, "pyramid": {"bf": "3", "b-pyramid": "normal", "refs": "4"}}


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".264"])
@pytest.mark.parametrize("gop", H264)
def test_frames_of_h264_behind_a_lost_idr_picture_are_counted(make_clip, tmp_path, gop, suffix):
    clip, target = make_clip("h264", options=H264[gop]), tmp_path / f"mutant{suffix}"
    for lost in ([], [12], [24]):
        left = without(clip, target, lost)
        video = Video(target)
        frames = list(video.frames())
        assert len(frames) + video.lost == left
        assert (len(frames) < left) == bool(lost)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_h264_that_is_cut_where_decoding_can_begin_lost_nothing(make_clip, tmp_path, suffix):
    """At a recovery point: the B-frames shown before it refer to what was cut off."""
    clip = make_clip("h264", options={**H264["pyramid"], "x264-params": "open-gop=1"})
    target, found = tmp_path / f"cut{suffix}", set()
    for first in range(1, 22):
        without(clip, target, range(first))
        video = Video(target)
        frames = list(video.frames())
        found.add((len(frames), video.lost, sum(frame.damaged for frame in frames)))
    assert found == {(18, 0, 0), (6, 0, 0)}


@pytest.mark.parametrize("gop", GOPS)
def test_a_transport_stream_that_is_cut_off_is_told(clip, tmp_path, gop):
    """Within a packet: its last frame may be half a frame, or not even that."""
    whole, cut = tmp_path / "whole.ts", tmp_path / "cut.ts"
    without(clip(gop), whole, [])
    data = whole.read_bytes()
    for seed in range(12):
        end = int(np.random.default_rng(seed).integers(len(data) // 4, len(data)))
        cut.write_bytes(data[: end + (end % 188 == 0)])
        video = Video(cut)
        frames = sorted(video.frames(), key=lambda frame: frame.display)
        assert video.lost or any(frame.damaged for frame in frames[-6:]), seed
        assert not any(frame.damaged for frame in frames[:-6])


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_av1_packets_that_are_blank_are_frames_that_are_lost(shared, tmp_path, suffix):
    """Its decoder passes over the last one without a word: none refers to it."""
    source, target = shared / "clips" / "av1_video.mkv", tmp_path / f"blank{suffix}"
    for blank in ((), (124,), (90, 120)):
        with av.open(str(source)) as a, av.open(str(target), "w") as b:
            stream = b.add_stream_from_template(a.streams.video[0], opaque=True)
            for i, packet in enumerate(p for p in a.demux(a.streams.video[0]) if p.size):
                new = av.Packet(bytes(packet.size) if i in blank else bytes(packet))
                new.pts, new.dts, new.time_base = packet.pts, packet.dts, packet.time_base
                new.is_keyframe, new.duration, new.stream = packet.is_keyframe, packet.duration, stream
                b.mux(new)
        video = Video(target)
        frames = len(list(video.frames()))
        assert (frames + video.lost, video.lost > 0) == (125, bool(blank))


def test_a_packet_whose_slices_cannot_be_found_is_a_frame_that_is_lost():
    nal = b"\0\0\1"
    irap, trail, sei, end = (nal + bytes([kind << 1, 1, 9, 9]) for kind in (CRA, 1, 39, 36))
    due = HevcHeaders(None)
    assert [due(packet) for packet in (sei + trail, sei + irap, sei + trail, sei, b"", end)] == [
        False, True, True, True, True, False
    ]  # fmt: skip
    assert due.before == 1


def test_frames_that_were_not_asked_for_are_not_lost(clip):
    assert frames_and_lost(clip("closed"), Reading(max_frames=7)) == (7, 0)


def test_of_an_endless_stream_frames_are_told_once_the_decoder_cannot_hold_them(clip, tmp_path):
    """Where nobody waits for its end."""
    whole, target = tmp_path / "whole.hevc", tmp_path / "mutant.hevc"
    without(clip("closed"), whole, [])
    without(clip("closed"), target, [1])
    target.write_bytes(target.read_bytes() * 12 + whole.read_bytes())
    video = Video(target)
    frames = video.frames()
    for _ in range(19 * 12):
        next(frames)
    frames.close()
    assert 12 * 10 - 64 <= video.lost <= 12 * 10
