"""Transport streams joined by ``cat``: two sizes, each with times from its own start; segments; other codecs."""

from itertools import permutations

import av
import numpy as np
import pytest

from taplab import Segmenter, SourceError
from taplab.video.encode import encode_clip
from taplab.video.reader import Video
from taplab.video.reading import Reading
from taplab.video.transport import Part, packet_size

WAYS = {
    "h264": ("h264", {}),
    "h264 with B-frames": ("h264", {"bf": "2"}),
    "mpeg2": ("mpeg2video", {}),
    "mpeg4": ("mpeg4", {}),
    "hevc": ("hevc", {"x265-params": "log-level=error:open-gop=0"}),
}
OPEN = {
    **WAYS,
    "mpeg2 with B-frames": ("mpeg2video", {"bf": "2"}),
    "hevc": ("hevc", {"x265-params": "log-level=error"}),
}


@pytest.fixture
def parts(make_clip, drive, tmp_path):
    """``parts(way)``: 30 frames of 144x192, and 20 of 96x128."""

    def parts(way):
        codec, options = WAYS[way]
        small = [np.ascontiguousarray(rgb[:96, :128]) for rgb, _ in drive][:20]
        other = encode_clip(tmp_path / "small.ts", small, codec=codec, gop=12, options=options)
        return make_clip(codec, ".ts", options=options), other

    return parts


def joined(target, *parts):
    target.write_bytes(b"".join(parts))
    return target


def by_time(path, height=144):
    frames = [f for f in Video(path).frames() if f.height == height]
    return {f.pts: (f.rgb()[..., 1].astype(np.int16), f.damaged) for f in frames}


@pytest.mark.parametrize("way", WAYS)
def test_a_seam_is_a_new_scene_and_no_damage(parts, tmp_path, way):
    first, second = (part.read_bytes() for part in parts(way))
    frames = list(Video(joined(tmp_path / "joined.ts", first, second, first)).frames())
    frames.sort(key=lambda f: f.display)
    assert [f.display for f in frames] == list(range(80))
    assert not any(f.damaged for f in frames)
    seams = [i for i in range(1, len(frames)) if frames[i].height != frames[i - 1].height]
    assert len(seams) == 2
    assert all(frames[i].scene > frames[i - 1].scene for i in seams)


def test_what_is_worth_telling_of_any_part_is_told_once(make_clip, tmp_path):
    plain = make_clip("h264", ".ts").read_bytes()
    strange = make_clip("h264", ".ts", options={"x264-params": "colormatrix=YCgCo"}).read_bytes()
    video = Video(joined(tmp_path / "joined.ts", plain, strange, strange, plain))
    assert len(list(video.frames())) == 120
    (note,) = video.notes
    assert "does not know how its colours are coded" in note


@pytest.mark.parametrize("way", WAYS)
def test_an_end_that_was_cut_off_before_a_seam_is_told(parts, tmp_path, way):
    first, second = parts(way)
    data, good = first.read_bytes(), by_time(first)
    wrong = []
    for seed in range(12):
        cut = data[: int(np.random.default_rng(seed).integers(len(data) // 4, len(data)))]
        for time, (picture, damaged) in by_time(joined(tmp_path / "cut.ts", cut, second.read_bytes())).items():
            if np.abs(picture - good[time][0]).mean() > 0.2:
                wrong.append(damaged)
    assert len(wrong) > 2
    assert all(wrong)


def test_what_does_not_begin_with_a_key_frame_is_no_seam(parts, tmp_path):
    first, second = parts("h264")
    middle = tmp_path / "middle.ts"
    with av.open(str(second)) as a, av.open(str(middle), "w") as b:
        stream = b.add_stream_from_template(a.streams.video[0])
        for i, packet in enumerate(a.demux(a.streams.video[0])):
            if packet.dts is not None and i >= 4:
                packet.stream = stream
                b.mux(packet)
    path = joined(tmp_path / "joined.ts", first.read_bytes(), middle.read_bytes())
    assert any(f.damaged for f in Video(path).frames() if f.index < 30)


@pytest.mark.parametrize(
    "ways", [*permutations(["h264 with B-frames", "mpeg2", "mpeg4", "hevc"], 2)], ids=" then ".join
)
def test_a_stream_that_changes_its_codec_is_segmented_to_its_end(parts, tmp_path, model, ways):
    (first, _), (second, _) = parts(ways[0]), parts(ways[1])
    path = joined(tmp_path / "joined.ts", first.read_bytes(), second.read_bytes())
    results = list(Segmenter(model).stream(path))
    assert [r.index for r in results] == list(range(60))
    assert not any(r.damaged for r in results)
    alone = [r.labels for r in Segmenter(model).stream(second)]
    for result, labels in zip(results[30:], alone, strict=True):
        np.testing.assert_array_equal(result.labels, labels)


def with_longer_sound(clip, target):
    """The clip with three seconds of sound, which go on behind its last picture, with tables between."""
    with av.open(str(clip)) as a, av.open(str(target), "w") as b:
        picture, sound = b.add_stream_from_template(a.streams.video[0]), b.add_stream("mp2", 44100)
        packets = [packet for packet in a.demux(a.streams.video[0]) if packet.dts is not None]
        for packet in packets:
            packet.stream = picture
        for i in range(114):
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 2 * 1152), np.int16), format="s16", layout="stereo")
            silence.sample_rate, silence.pts = 44100, 1152 * i
            packets += sound.encode(silence)
        for packet in sorted([*packets, *sound.encode(None)], key=lambda packet: packet.dts * packet.time_base):
            b.mux(packet)
    return target


def test_sound_that_goes_on_behind_the_pictures_belongs_to_its_part(parts, tmp_path):
    """The seam is where the tables change, not where the pictures end: or the new codec is taken for the old one."""
    first, other = (
        with_longer_sound(parts(way)[0], tmp_path / f"sound{i}.ts").read_bytes()
        for i, way in enumerate(("h264", "hevc"))
    )
    for a, b in ((first, other), (other, first), (first, first)):
        part = Part(str(joined(tmp_path / "joined.ts", a, b)), 188)
        while part.read(5000):
            pass
        part.close()
        assert part.end in (len(a), len(a) + 188)  # behind a table that is not looked at
        frames = list(Video(tmp_path / "joined.ts").frames())
        assert sorted(f.display for f in frames) == list(range(60))
        assert not any(f.damaged for f in frames)


def sound_alone(target, seconds):
    """A part without pictures."""
    with av.open(str(target), "w") as b:
        sound, noise = b.add_stream("mp2", 44100), np.random.default_rng(0)
        for i in range(round(seconds * 44100 / 1152)):
            samples = noise.integers(-3000, 3000, (1, 2 * 1152)).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="stereo")
            frame.sample_rate, frame.pts = 44100, 1152 * i
            b.mux(sound.encode(frame))
        b.mux(sound.encode(None))
    return target.read_bytes()


@pytest.mark.parametrize("order", ["hsh", "hsx", "sx", "ssh", "hs", "hsxsm"])
def test_parts_without_pictures_are_passed_over(parts, model, tmp_path, order):
    of = {"h": parts("h264")[0], "x": parts("hevc")[0], "m": parts("mpeg2")[0]}
    data = {**{name: part.read_bytes() for name, part in of.items()}, "s": sound_alone(tmp_path / "sound.ts", 4)}
    path = joined(tmp_path / "joined.ts", *(data[name] for name in order))
    summary = Segmenter(model).run(path, tmp_path / "out", save=())
    assert (summary.frames, summary.damaged, summary.broke_off) == (30 * (len(order) - order.count("s")), 0, None)
    assert [note for note in summary.notes if "without pictures" in note]


def test_sound_alone_is_no_video(tmp_path):
    path = joined(tmp_path / "joined.ts", 2 * sound_alone(tmp_path / "sound.ts", 4))
    with pytest.raises(SourceError, match="holds audio streams only"):
        Video(path)


def test_frames_of_later_parts_are_counted_on(parts, tmp_path):
    (first, second), (other, _) = parts("mpeg4"), parts("h264")
    path = joined(tmp_path / "joined.ts", *(part.read_bytes() for part in (first, other, second)))
    frames = list(Video(path).frames())
    assert sorted(f.index for f in frames) == sorted(f.display for f in frames) == list(range(80))
    for frame in frames:
        assert frame.motion is None or frame.motion.fields[0].reference in range(frame.index - 3, frame.index)
    assert [len(list(Video(path, Reading(max_frames=n)).frames())) for n in (10, 30, 45)] == [10, 30, 45]


def test_a_stream_that_goes_on_under_another_number(make_clip, tmp_path):
    """Its packets carry another identifier, which FFmpeg takes for another stream."""
    other = tmp_path / "other.ts"
    with av.open(str(make_clip("h264", ".ts"))) as a, av.open(str(other), "w") as b:
        stream = b.add_stream_from_template(a.streams.video[0])
        stream.id = 0x123
        for packet in a.demux(a.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                b.mux(packet)
    path = joined(tmp_path / "joined.ts", make_clip("h264", ".ts").read_bytes(), other.read_bytes())
    frames = list(Video(path).frames())
    assert len(frames) == 60
    assert not any(f.damaged for f in frames)


@pytest.fixture
def segments(drive, tmp_path):
    """``segments(way)``: one recording in three files of ten frames, each with packet counters of its own."""

    def segments(way):
        codec, options = OPEN[way]
        whole = encode_clip(tmp_path / "whole.ts", [rgb for rgb, _ in drive], codec=codec, gop=10, options=options)
        with (
            av.open(str(whole)) as a,
            av.open(str(tmp_path / "part%d.ts"), "w", format="segment", options={"segment_time": "0.01"}) as b,
        ):
            stream = b.add_stream_from_template(a.streams.video[0])
            for packet in a.demux(a.streams.video[0]):
                if packet.dts is not None:
                    packet.stream = stream
                    b.mux(packet)
        return whole, sorted(tmp_path.glob("part*.ts"))

    return segments


@pytest.mark.parametrize("way", OPEN)
def test_joined_segments_are_what_they_were_before(segments, tmp_path, way):
    whole, parts = segments(way)
    assert len(parts) > 2
    path = joined(tmp_path / "joined.ts", *(part.read_bytes() for part in parts))
    expected, frames = list(Video(whole).frames()), list(Video(path).frames())
    assert len(frames) == len(expected) == 30
    for frame, other in zip(frames, expected, strict=True):
        assert (frame.damaged, frame.scene, frame.display) == (other.damaged, other.scene, other.display)
        np.testing.assert_array_equal(frame.rgb(), other.rgb())


@pytest.mark.parametrize("way", ["h264", "mpeg2", "hevc"])
def test_a_lost_end_of_a_segment_is_told(segments, tmp_path, way):
    whole, (first, *others) = segments(way)
    good = {f.pts: f.rgb()[..., 1].astype(np.int16) for f in Video(whole).frames()}
    data, told = first.read_bytes(), []
    for packets in range(2, 24, 3):
        cut = data[: len(data) - 188 * packets + 90 * (packets % 2)]
        path = joined(tmp_path / "joined.ts", cut, *(part.read_bytes() for part in others))
        wrong = [
            f.damaged for f in Video(path).frames() if np.abs(f.rgb()[..., 1].astype(np.int16) - good[f.pts]).mean() > 1
        ]
        told += wrong
    assert len(told) > 2
    assert all(told)


def test_blu_ray_packets_have_a_time_before_them(make_clip, tmp_path):
    paths = []
    for codec in ("h264", "mpeg2video"):
        paths.append(tmp_path / f"{codec}.m2ts")
        with (
            av.open(str(make_clip(codec, ".ts"))) as a,
            av.open(str(paths[-1]), "w", format="mpegts", options={"mpegts_m2ts_mode": "1"}) as b,
        ):
            stream = b.add_stream_from_template(a.streams.video[0])
            for packet in a.demux(a.streams.video[0]):
                if packet.dts is not None:
                    packet.stream = stream
                    b.mux(packet)
    assert [packet_size(str(path)) for path in paths] == [192, 192]
    path = joined(tmp_path / "joined.m2ts", *(path.read_bytes() for path in paths))
    frames = list(Video(path).frames())
    assert len(frames) == 60
    assert not any(f.damaged for f in frames)


def test_a_part_ends_at_the_byte_where_the_next_begins(parts, tmp_path):
    first, second = parts("h264")
    size = first.stat().st_size
    path = joined(tmp_path / "joined.ts", first.read_bytes(), second.read_bytes())
    with Part(str(path), 188) as part:
        data = b""
        while block := part.read(10_000):
            data += block
        assert size <= part.end <= size + 188  # the description of the service may stay with the part before
        assert len(data) == part.end
        assert (part.is_cut_off(), part.joints) == (False, set())
    with Part(str(path), 188, part.end) as rest:
        while rest.read(10_000):
            pass
        assert rest.end is None
