import av
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext

from taplab.data.synthetic import SyntheticDrive
from taplab.errors import SettingError
from taplab.video.reader import Video
from taplab.video.reading import Reading

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


def test_frames_come_once_and_not_after_the_end(make_clip):
    video, closed = Video(make_clip("mpeg4")), Video(make_clip("mpeg4"))
    assert len(list(video.frames())) == 30
    closed.close()
    for done in (video, closed):
        with pytest.raises(SettingError, match="open it again"):
            next(done.frames())
        done.close()


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


def test_max_frames(make_clip):
    """What is shown later comes along only where earlier frames are predicted from it."""
    video = Video(make_clip("h264", ".mp4", options={"bf": "3"}), Reading(max_frames=7))
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
    frames = [f for f in Video(path, Reading(max_frames=130)).frames() if not f.beyond]
    assert len(frames) == min(REAL[name], 130)
    assert sorted(f.display for f in frames) == list(range(len(frames)))
