"""Mutants whose every packet is known: a picture that came out wrong must be marked, as far as a stream can tell.

One packet is spoilt or lost, the clip is decoded again, and each picture is compared with the sound one of that time.
"""

import av
import numpy as np
import pytest

from taplab.video.reader import Video

VISIBLE = 0.2  # grey levels per pixel
PYRAMID = {"bf": "3", "b-pyramid": "normal", "refs": "4"}
WAYS = {
    "h264": ("h264", ".mp4", {}),
    "h264 in ts": ("h264", ".ts", {}),
    "h264 with a B-pyramid": ("h264", ".mp4", PYRAMID),
    "h264 with a B-pyramid in ts": ("h264", ".ts", PYRAMID),
    "h264 without CABAC": ("h264", ".mp4", {"coder": "0"}),
    "mpeg4": ("mpeg4", ".mp4", {}),
    "mpeg4 with B-frames": ("mpeg4", ".mp4", {"bf": "2"}),
    "mpeg4 with B-frames in ts": ("mpeg4", ".ts", {"bf": "2"}),
    "mpeg2": ("mpeg2video", ".ts", {}),
    "mpeg2 with B-frames": ("mpeg2video", ".mkv", {"bf": "2"}),
    "flv1": ("flv1", ".flv", {}),
    "hevc in ts": ("hevc", ".ts", {}),
}
# Of mutants with a visibly wrong picture, how many must have all of those marked: one bit turned over in one packet.
FLIPS = {
    "h264": 0.8,
    "h264 with a B-pyramid": 0.75,
    "h264 without CABAC": 0.6,
    "mpeg4": 0.8,
    "mpeg4 with B-frames": 0.8,
    "mpeg2": 0.8,
    "mpeg2 with B-frames": 0.8,
    "flv1": 0.8,
}
# Packets that may be lost without a word: those before the habit of an encoder was seen.
LOST = {
    "h264": (),
    "h264 with a B-pyramid": (),
    "h264 with a B-pyramid in ts": (),
    "h264 without CABAC": (),
    "mpeg4": (1, 2, 3, 4, 13, 25),
    "mpeg4 with B-frames": (),
    "mpeg4 with B-frames in ts": (),
    "mpeg2": (1,),
    "mpeg2 with B-frames": (),
    "hevc in ts": (),
}
TS = [way for way, (_, suffix, _) in WAYS.items() if suffix == ".ts"]


@pytest.fixture
def clip(make_clip):
    """``clip(way)``: 30 frames, an I-frame every 12."""

    def clip(way):
        codec, suffix, options = WAYS[way]
        return make_clip(codec, suffix, options=options)

    return clip


def packets_of(path):
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def changed(source, target, number, data):
    """The clip with other data in the packet of this number, or without it (None)."""
    with av.open(str(source)) as a, av.open(str(target), "w") as b:
        stream = b.add_stream_from_template(a.streams.video[0], opaque=True)
        for i, packet in enumerate(a.demux(a.streams.video[0])):
            if not packet.size or (i == number and data is None):
                continue
            new = av.Packet(data if i == number else bytes(packet))
            new.pts, new.dts, new.time_base = packet.pts, packet.dts, packet.time_base
            new.is_keyframe, new.duration, new.stream = packet.is_keyframe, packet.duration, stream
            b.mux(new)
    return target


def pictures(path):
    """By time: luma, and whether it is marked as damaged. All but the damaged come from sound references."""
    frames = {frame.index: frame for frame in Video(path).frames()}
    for frame in frames.values():
        for field in frame.motion.fields if frame.motion else ():
            assert not frame.damaged
            assert not frames[field.reference].damaged
    return {f.pts: (f.rgb()[..., 1].astype(np.int16), f.damaged) for f in frames.values()}


def verdict(good, path):
    """Are all wrong pictures marked? None where no picture is wrong."""
    wrong = []
    for time, (luma, damaged) in pictures(path).items():
        if time not in good or np.abs(luma - good[time][0]).mean() > VISIBLE:
            wrong.append(damaged)
    return all(wrong) if wrong else None


def share_told(verdicts):
    wrong = [v for v in verdicts if v is not None]
    assert len(wrong) > 5
    return np.mean(wrong)


def flips(path, target, seeds):
    """One bit of one packet behind the first, not in its first bytes: those are headers, which would not decode."""
    packets, good = packets_of(path), pictures(path)
    for seed in seeds:
        rng = np.random.default_rng(seed)
        number = int(rng.integers(1, len(packets)))
        data = bytearray(packets[number])
        data[rng.integers(min(12, len(data) - 1), len(data))] ^= 1 << rng.integers(8)
        yield verdict(good, changed(path, target, number, bytes(data)))


def holes(path, target, seeds):
    """One of the 188 bytes that a transport stream is carried in is lost."""
    data, good = path.read_bytes(), pictures(path)
    for seed in seeds:
        at = 188 * int(np.random.default_rng(seed).integers(len(data) // 188 // 8, len(data) // 188))
        target.write_bytes(data[:at] + data[at + 188 :])
        yield verdict(good, target)


@pytest.mark.parametrize("way", FLIPS)
def test_flipped_bits_are_told(clip, tmp_path, way):
    path = clip(way)
    assert share_told(flips(path, tmp_path / f"mutant{path.suffix}", range(24))) >= FLIPS[way]


@pytest.mark.parametrize("way", TS)
def test_holes_in_a_transport_stream_are_told(clip, tmp_path, way):
    assert share_told(holes(clip(way), tmp_path / "mutant.ts", range(16))) > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("way", FLIPS)
def test_many_flipped_bits_are_told(clip, tmp_path, way):
    path = clip(way)
    assert share_told(flips(path, tmp_path / f"mutant{path.suffix}", range(1000, 1400))) >= FLIPS[way]


@pytest.mark.slow
@pytest.mark.parametrize("way", TS)
def test_many_holes_are_told(clip, tmp_path, way):
    assert share_told(holes(clip(way), tmp_path / "mutant.ts", range(1000, 1300))) > 0.95


@pytest.mark.parametrize("way", LOST)
def test_every_lost_packet_is_told(clip, tmp_path, way):
    """Cut out so that the stream has no other trace of it."""
    path = clip(way)
    good = pictures(path)
    for number in range(1, len(good)):
        told = verdict(good, changed(path, tmp_path / f"mutant{path.suffix}", number, None))
        assert told is not False or number in LOST[way], number


@pytest.mark.parametrize("way", WAYS)
def test_a_sound_stream_is_not_damaged(clip, way):
    found = pictures(clip(way))
    assert len(found) == 30
    assert not any(damaged for _, damaged in found.values())


@pytest.mark.parametrize("way", ["h264 in ts", "h264 with a B-pyramid in ts", "mpeg2", "mpeg4 with B-frames in ts"])
def test_a_cut_transport_stream_is_told_at_its_last_picture(clip, tmp_path, way):
    path, target = clip(way), tmp_path / "mutant.ts"
    data, good = path.read_bytes(), pictures(path)
    for seed in range(12):
        target.write_bytes(data[: np.random.default_rng(seed).integers(len(data) // 4, len(data))])
        assert verdict(good, target) is not False, seed
