"""Where motion comes from: every codec, folders of images, interlaced video; made by the real encoders."""

import itertools
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from taplab import PaperSettings, Segmenter
from taplab.video import Reading, open_video
from taplab.video.encode import encode_clip

COUNT = 12
WAYS = {  # encoder, suffix, pixel format, options
    "hevc": ("libx265", ".mkv", "yuv420p", {"x265-params": "log-level=error:bframes=0"}),
    "hevc with B-frames": ("libx265", ".mkv", "yuv420p", {"x265-params": "log-level=error:bframes=3"}),
    "vp8": ("libvpx", ".webm", "yuv420p", {"crf": "10", "b": "2M"}),
    "vp9": ("libvpx-vp9", ".webm", "yuv420p", {"crf": "32", "b": "0", "cpu-used": "8", "deadline": "realtime"}),
    "av1": ("libsvtav1", ".mp4", "yuv420p", {"preset": "10"}),
    "mjpeg": ("mjpeg", ".avi", "yuvj420p", {}),
    "raw": ("rawvideo", ".nut", "yuv420p", {}),
    "h264, I-frames only": ("libx264", ".mp4", "yuv420p", {"g": "1"}),
    "h264, interlaced": ("libx264", ".ts", "yuv420p", {"x264-params": "tff=1:bframes=0"}),
    "h264, interlaced, with B-frames": ("libx264", ".ts", "yuv420p", {"x264-params": "tff=1:bframes=2"}),
}


def encode(path, frames, encoder, pix_fmt, options):
    with av.open(str(path), "w") as container:
        stream = container.add_stream(encoder, rate=15, options=options)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pix_fmt
        for i, rgb in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=pix_fmt)
            picture.pts, picture.time_base = i, Fraction(1, 15)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def source(drive, tmp_path_factory):
    folder, frames, made = tmp_path_factory.mktemp("origin"), [drive[i][0] for i in range(COUNT)], {}

    def make(way):
        if way not in made and way == "images":
            made[way] = folder / "images"
            made[way].mkdir()
            for i, rgb in enumerate(frames):
                Image.fromarray(rgb).save(made[way] / f"{i:02d}.png")
        elif way not in made:
            encoder, suffix, pix_fmt, options = WAYS[way]
            made[way] = encode(folder / f"{len(made)}{suffix}", frames, encoder, pix_fmt, options)
        return made[way]

    return make


@pytest.mark.parametrize("way", [*WAYS, "images"])
def test_motion_is_estimated_where_there_are_no_vectors(source, way):
    frames = list(open_video(source(way)).frames())
    assert sorted(f.display for f in frames) == list(range(COUNT))
    assert frames[0].motion is None
    assert {f.motion.origin for f in frames[1:]} == {"estimated"}
    assert {f.scene for f in frames} == {1}
    shown = {f.display: f for f in frames}
    before = [np.abs(shown[k].rgb().mean(2) - shown[k - 1].rgb().mean(2)).mean() for k in range(1, COUNT)]
    assert np.mean([f.residual.score for f in frames[1:]]) < 0.9 * np.mean(before)


@pytest.mark.parametrize("way", [*WAYS, "images"])
def test_one_pass_of_the_network_is_enough(source, way, model):
    segmentation = Segmenter(model, mode="paper", settings=PaperSettings(("ffw",), interval=2 * COUNT)).stream(
        source(way)
    )
    assert [r.origin for r in segmentation] == ["network", *["warped"] * (COUNT - 1)]
    summary = segmentation.summary()
    assert summary.motion == {"none": 1, "estimated": COUNT - 1}
    assert summary.key_frames == 1


@pytest.mark.parametrize("how", [{}, {"options": {"bf": "2"}}])
def test_codecs_without_vectors_come_in_display_order(make_clip, how):
    frames = list(open_video(make_clip("hevc", ".mkv", **how)).frames())
    assert [f.display for f in frames] == list(range(30))
    for before, frame in itertools.pairwise(frames):
        if frame.kind == "I":  # every 12 frames: a key frame of the stream stands alone
            assert frame.motion is None
        else:
            assert [field.reference for field in frame.motion.fields] == [before.index]


def test_mpeg4_b_frames_come_from_both_sides(make_clip):
    """FFmpeg's vectors of them are all zero."""
    frames = {f.index: f for f in open_video(make_clip("mpeg4", ".avi", options={"bf": "2"})).frames()}
    between = [f for f in frames.values() if f.kind == "B"]
    assert len(between) > 10
    for frame in between:
        assert frame.motion.origin == "estimated"
        before, after = (frames[field.reference].display for field in frame.motion.fields)
        assert before < frame.display < after
        weights = [field.weight for field in frame.motion.fields]
        assert np.all(sum(weights) == 1)
    assert 0.1 < np.mean([f.motion.fields[0].weight.mean() for f in between]) < 0.9
    origins = [f.motion.origin for f in frames.values() if f.kind == "P"]
    assert set(origins[:-1]) == {"codec"}  # the last one comes without vectors, at the end of the stream


def motions(clip, model, mode, motion="auto"):
    segmentation = Segmenter(model, mode=mode, settings=PaperSettings(motion=motion)).stream(clip)
    assert len(list(segmentation)) == segmentation.summary().frames
    return segmentation.summary().motion


@pytest.mark.parametrize("mode", ["offline", "live", "paper"])
def test_fast_motion_is_refined_but_in_the_papers_mode(model, tmp_path, mode):
    """What is fast in still pictures: everything moves by six pixels of 96."""
    still = np.random.default_rng(1).integers(0, 256, (12, 34, 3)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
    for step, origin in ((6, "codec" if mode == "paper" else "refined"), (1, "codec")):
        frames = [still[:, k * step : k * step + 128] for k in range(COUNT)]
        clip = encode_clip(tmp_path / f"{step}.mkv", frames, codec="mpeg4", gop=COUNT)
        assert motions(clip, model, mode) == {"none": 1, origin: COUNT - 1}
        assert motions(clip, model, mode, "refined") == {"none": 1, "refined": COUNT - 1}
        assert motions(clip, model, mode, "codec") == {"none": 1, "codec": COUNT - 1}


@pytest.mark.parametrize("b_frames", [0, 2])
def test_refined_motion_comes_from_the_same_references(make_clip, b_frames):
    clip = make_clip("h264", options={"bf": str(b_frames)})
    own, found = (list(open_video(clip, Reading(refine=refine)).frames()) for refine in ("never", "always"))
    moved = [(a, b) for a, b in zip(own, found, strict=True) if a.motion is not None]
    assert {b.motion.origin for _, b in moved} == {"refined"}
    for a, b in moved:
        assert [f.reference for f in a.motion.fields] == [f.reference for f in b.motion.fields]
        assert a.scene == b.scene
        assert all(np.array_equal(f.weight, g.weight) for f, g in zip(a.motion.fields, b.motion.fields, strict=True))
