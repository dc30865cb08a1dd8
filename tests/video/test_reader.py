from fractions import Fraction

import av
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext

from taplab.data.synthetic import SyntheticDrive
from taplab.errors import SourceError
from taplab.video import open_video
from taplab.video.reader import Video


def plain_count(path):
    """Frames that the decoder yields, whatever happens on the way."""
    count = 0
    with av.open(str(path)) as container:
        for packet in container.demux(video=0):
            try:
                count += len(packet.decode())
            except av.error.FFmpegError:
                continue
    return count


def remuxed(source, target, keep):
    """The packets of ``source`` for whose number ``keep`` holds."""
    with av.open(str(source)) as a, av.open(str(target), "w") as b:
        stream = b.add_stream_from_template(a.streams.video[0])
        for i, packet in enumerate(a.demux(a.streams.video[0])):
            if packet.dts is not None and keep(i):
                packet.stream = stream
                b.mux(packet)
    return target


WAYS = [
    ("mpeg4", ".mp4", {}),
    ("mpeg4", ".avi", {}),
    ("mpeg2video", ".ts", {}),
    ("mpeg1video", ".mpg", {}),
    ("mpeg2video", ".mkv", {"options": {"bf": "2"}}),
    ("h263p", ".avi", {}),
    ("flv1", ".flv", {}),
    ("h264", ".mp4", {}),
    ("h264", ".ts", {"options": {"bf": "3"}}),
    ("h264", ".mkv", {"options": {"bf": "3", "b-pyramid": "normal", "refs": "4"}}),
]


@pytest.mark.parametrize(("codec", "suffix", "how"), WAYS)
def test_every_frame_comes_in_coded_order_with_motion(make_clip, codec, suffix, how):
    video = Video(make_clip(codec, suffix, **how))
    frames = list(video.frames())
    assert [f.index for f in frames] == sorted(f.index for f in frames)
    assert sorted(f.display for f in frames) == list(range(30))
    assert not any(f.damaged for f in frames)
    assert video.lost == 0
    for frame in frames:
        if codec.startswith("mpeg") and codec != "mpeg4" and frame.display == 29:
            continue  # FFmpeg gives the last picture of MPEG-1/2 out at the flush, without vectors
        assert (frame.motion is None) == (frame.kind == "I")
        if frame.motion is not None:
            assert frame.motion.coded.mean() > 0.3
            assert 0 <= frame.residual.score < 20
    assert ("B" in {f.kind for f in frames}) == ("bf" in how.get("options", {}))


def test_pixels_are_those_of_plain_decoding(make_clip):
    clip = make_clip("h264", ".mp4", options={"bf": "3"})
    with av.open(str(clip)) as container:
        plain = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
    for frame in Video(clip).frames():
        assert np.array_equal(frame.rgb(), plain[frame.display])


def test_b_frames_point_to_the_frames_around_them(make_clip):
    frames = {f.index: f for f in Video(make_clip("h264", ".mp4", options={"bf": "2", "b-pyramid": "none"})).frames()}
    seen = 0
    for frame in frames.values():
        if frame.kind == "B":
            for field, side in zip(frame.motion.fields, (-1, 1), strict=False):
                reference = frames[field.reference]
                assert reference.kind != "B"
                if len(frame.motion.fields) == 2:
                    assert np.sign(reference.display - frame.display) == side
                    seen += 1
    assert seen > 10


def test_codec_vectors_explain_the_picture(make_clip, drive):
    """Motion compensation leaves much less than the difference of the frames does."""
    before, scores, differences = None, [], []
    for frame in Video(make_clip("mpeg4")).frames():
        luma = frame.rgb().mean(2)
        if frame.motion is not None:
            scores.append(frame.residual.score)
            differences.append(np.abs(luma - before).mean())
        before = luma
    assert np.mean(scores) < 0.6 * np.mean(differences)


@pytest.mark.parametrize("codec", ["mpeg4", "h264"])
def test_a_start_in_mid_gop_is_damaged_until_the_next_key_frame(make_clip, tmp_path, codec):
    clip = remuxed(make_clip(codec), tmp_path / "mid.mkv", lambda i: i >= 5)
    frames = list(Video(clip).frames())
    assert len(frames) == plain_count(clip)
    key = next(k for k, f in enumerate(frames) if f.kind == "I")
    assert all(f.damaged and f.motion is None for f in frames[:key])
    assert not any(f.damaged for f in frames[key:])


def test_nothing_is_warped_across_a_missing_frame(make_clip, tmp_path):
    """The decoder refuses a packet of rubbish; what refers to its picture is doubtful until the next I-frame."""
    source = make_clip("mpeg4", ".avi")
    data = bytearray(source.read_bytes())
    with av.open(str(source)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        victim = packets[4]
    data[victim.pos : victim.pos + victim.size] = bytes(victim.size)
    clip = tmp_path / "holed.avi"
    clip.write_bytes(data)
    frames = list(Video(clip).frames())
    assert len(frames) == plain_count(clip) < 30
    assert [f.index for f in frames if f.damaged] == list(range(5, 12))
    assert all(f.motion is None for f in frames if f.damaged)


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


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "gray"])
@pytest.mark.parametrize("edges", ["top=16", "top=4", "left=64", "left=32:crop_top=32:crop_right=8:crop_bottom=24"])
def test_h264_that_is_cropped_at_the_top_or_the_left_has_its_motion_in_place(tmp_path, edges, pix_fmt):
    """FFmpeg's vectors count from where the coded picture begins."""
    whole, cropped = tmp_path / "whole.h264", tmp_path / "cropped.h264"
    with av.open(str(whole), "w") as container:
        stream = container.add_stream("libx264", rate=15, options={"bf": "2", "crf": "10"})
        stream.width, stream.height, stream.pix_fmt = 192, 144, pix_fmt
        for rgb, _ in SyntheticDrive(144, 192, 12, seed=5):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb)))
        container.mux(stream.encode())
    with av.open(str(whole)) as a, av.open(str(cropped), "w") as b:
        stream = b.add_stream_from_template(a.streams.video[0])
        crop = BitStreamFilterContext(f"h264_metadata=crop_{edges}", a.streams.video[0], stream)
        for packet in (p for whole in a.demux(a.streams.video[0]) for p in crop.filter(whole if whole.size else None)):
            packet.stream = stream
            b.mux(packet)
    scores = [
        np.mean([f.residual.score for f in Video(path).frames() if f.residual is not None]) for path in (whole, cropped)
    ]
    assert scores[1] < 1.25 * scores[0]


@pytest.mark.parametrize("suffix", [".ts", ".mkv"])
def test_a_lost_h264_packet_is_seen_though_ffmpeg_conceals_it(make_clip, tmp_path, suffix):
    clip = remuxed(make_clip("h264"), tmp_path / f"lossy{suffix}", lambda i: i != 5)
    frames = list(Video(clip).frames())
    assert len(frames) == 29
    damaged = [f.index for f in frames if f.damaged]
    assert damaged == list(range(5, 11))  # up to the next key frame, which was the 13th and is now the 12th


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
def test_an_ivf_file_that_counts_ticks_is_whole(vp8, tmp_path, count):
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


def test_frames_that_an_edit_list_hides_are_no_damage(make_clip, tmp_path):
    """Trimmed without re-encoding: decoding begins at a key frame that is not shown."""
    clip = tmp_path / "trimmed.mp4"
    with av.open(str(make_clip("h264"))) as a, av.open(str(clip), "w", options={"avoid_negative_ts": "disabled"}) as b:
        stream = b.add_stream_from_template(a.streams.video[0])
        step = int(1 / 15 / a.streams.video[0].time_base)
        for packet in a.demux(a.streams.video[0]):
            if packet.dts is not None:
                packet.pts, packet.dts, packet.stream = packet.pts - 5 * step, packet.dts - 5 * step, stream
                b.mux(packet)
    frames = list(Video(clip).frames())
    assert len(frames) == plain_count(clip) == 25
    assert not any(f.damaged for f in frames)
    assert frames[0].motion is None  # what it was predicted from is not in hand


def test_dropped_b_frames_at_an_open_start_damage_nothing(make_clip, tmp_path):
    clip = remuxed(make_clip("mpeg2video", ".ts", options={"bf": "2"}), tmp_path / "open.ts", lambda i: i >= 8)
    frames = list(Video(clip).frames())
    assert len(frames) == plain_count(clip)
    key = next(k for k, f in enumerate(frames) if f.kind == "I")
    assert not any(f.damaged for f in frames[key:] if f.display >= frames[key].display)


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


def remuxed_with_index_first(source, target):
    with av.open(str(source)) as a, av.open(str(target), "w", options={"movflags": "faststart"}) as b:
        stream = b.add_stream_from_template(a.streams.video[0])
        for packet in a.demux(a.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                b.mux(packet)
    return target


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


def test_max_frames(make_clip):
    """What is shown later comes along only where earlier frames are predicted from it."""
    video = Video(make_clip("h264", ".mp4", options={"bf": "3"}), max_frames=7)
    frames = list(video.frames())
    assert sorted(f.display for f in frames if not f.beyond) == list(range(7))
    assert len(frames) < 12
    assert not any(f.damaged for f in frames)
    assert all(f.motion is not None for f in frames if f.kind != "I")
    assert video.lost == 0
    assert video.expected_frames == 7


def test_a_frame_does_not_keep_its_history_alive(make_clip):
    """A measured residual lets go of the reference's planes."""
    for frame in Video(make_clip("mpeg4")).frames():
        if frame.kind == "P":
            assert frame.measure is not None
            assert frame.residual is frame.residual
            assert frame.measure is None


# What plain decoding yields, and how many of these frames are doubtful.
REAL = {
    "driving_h264_960x540.mp4": 221,
    "mvx_mpeg4_720p.mp4": 337,
    "bikes.mp4": 250,
    "scene_cuts.mp4": 250,
    "cars_320x240.h264": 30,
    "cars_320x240.h265": 30,
    "cars_320x240.mjpeg": 30,
    "rotated90_h264.mov": 3,
    "unordered.mov": 4,
    "corrupted_h264.mp4": 49,
    "h264_10bits.mp4": 30,
    "h265_10bits.mp4": 30,
    "av1_video.mkv": 125,
    "MR1_BT_A.h264": 62,
    "BA_MW_D_IDR_LOST.264": 70,
    "BA_MW_D_P_LOST.264": 99,
    "Error_I_P.264": 6,
}


@pytest.mark.parametrize("name", REAL)
def test_real_clips_frame_for_frame(shared, name):
    path = shared / "clips" / name
    frames = [f for f in Video(path, max_frames=130).frames() if not f.beyond]
    assert len(frames) == min(REAL[name], 130)
    assert sorted(f.display for f in frames) == list(range(len(frames)))


def test_a_stream_with_lost_frames_is_marked(shared):
    """A conformance stream from which P-frames were taken out."""
    assert sum(f.damaged for f in Video(shared / "clips" / "BA_MW_D_P_LOST.264").frames()) == 28


def test_the_corrupted_clip_is_marked(shared):
    video = Video(shared / "clips" / "corrupted_h264.mp4")
    frames = list(video.frames())
    # On one core FFmpeg decodes the slices one after another and marks one frame more as corrupt.
    assert sum(f.damaged for f in frames) in (19, 20)
    assert video.lost == 1
