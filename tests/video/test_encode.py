from fractions import Fraction

import av
import numpy as np
import pytest

from taplab.errors import OutputError, SettingError
from taplab.video.encode import encode_clip

SIZE = (144, 176)  # rows, columns: one that h263 knows


def drifting(count, height=SIZE[0], width=SIZE[1], cut=17):
    """A smooth pattern that moves three pixels a frame, inverted from frame ``cut`` on."""
    y, x = np.mgrid[:height, : width + 3 * count]
    wide = np.stack([127 + 90 * np.sin(x / 9 + y / (11 + 4 * k)) for k in range(3)], axis=-1).astype(np.uint8)
    for index in range(count):
        frame = wide[:, 3 * index : 3 * index + width]
        yield 255 - frame if index >= cut else np.ascontiguousarray(frame)


def decoded(path):
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


@pytest.mark.parametrize(
    ("codec", "name"),
    [
        ("mpeg4", "clip.mp4"),
        ("mpeg4", "clip.avi"),
        ("mpeg2video", "clip.m2v"),
        ("mpeg2video", "clip.ts"),
        ("mpeg1video", "clip.mkv"),
        ("h263", "clip.avi"),
        ("h263p", "clip.avi"),
        ("flv1", "clip.flv"),
        ("h264", "clip.mp4"),
        ("h264", "clip.264"),
        ("hevc", "clip.mp4"),
    ],
)
def test_every_codec_keeps_frames_and_gops_even_across_a_cut(tmp_path, codec, name):
    frames = decoded(encode_clip(tmp_path / name, drifting(30), codec=codec, gop=12))
    assert [index for index, frame in enumerate(frames) if frame.pict_type == 1] == [0, 12, 24]
    assert {frame.pict_type for frame in frames} == {1, 2}
    assert len(frames) == 30
    for frame, original in zip(frames, drifting(30), strict=True):
        error = np.abs(frame.to_ndarray(format="rgb24").astype(int) - original).mean()
        assert error < 12


@pytest.mark.parametrize("codec", ["mpeg4", "mpeg2video", "h264", "hevc", "mpeg1video"])
def test_a_shorter_first_group_moves_all_others(tmp_path, codec):
    frames = decoded(encode_clip(tmp_path / "clip.mkv", drifting(30), codec=codec, gop=12, first_gop=5))
    assert [index for index, frame in enumerate(frames) if frame.key_frame] == [0, 5, 17, 29]


def test_quality_is_the_quantiser_scale(tmp_path):
    fine = encode_clip(tmp_path / "fine.mp4", drifting(6), quality=2)
    coarse = encode_clip(tmp_path / "coarse.mp4", drifting(6), quality=20)
    assert coarse.stat().st_size < 0.6 * fine.stat().st_size


def test_rate_and_timestamps(tmp_path):
    path = encode_clip(tmp_path / "clip.mp4", drifting(5), fps=Fraction(30000, 1001))
    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate == Fraction(30000, 1001)
        times = [frame.pts * frame.time_base for frame in container.decode(video=0)]
    assert times == [index * Fraction(1001, 30000) for index in range(5)]


def test_options_ask_for_b_frames(tmp_path):
    options = {"bf": "2", "refs": "3"}
    frames = decoded(encode_clip(tmp_path / "clip.mp4", drifting(20), codec="h264", options=options))
    assert 3 in {frame.pict_type for frame in frames}


def ragged():
    yield from drifting(3)
    yield from drifting(1, height=160)


@pytest.mark.parametrize(
    ("frames", "settings", "message"),
    [
        (drifting(2), {"codec": "vp9"}, "codec vp9: unknown; choose one of mpeg4"),
        (drifting(2, height=145), {}, "176x145: cannot be encoded; crop"),
        (drifting(2, height=160), {"codec": "h263"}, "codec h263: knows no 176x160"),
        (ragged(), {}, "frame 3: is 176x160, the first one 176x144"),
        ([], {}, "no frames"),
        ([np.zeros((16, 16), np.uint8)], {}, "frame 0: is uint8"),
        (drifting(2), {"gop": 0}, "gop 0"),
        (drifting(2), {"first_gop": 13}, "first_gop 13"),
        (drifting(2), {"fps": 0.0001}, "fps 0.0001: give a number"),
        (drifting(2), {"fps": float("nan")}, "fps nan: give a number"),
        (drifting(2), {"fps": float("inf")}, "fps inf: give a number"),
        (drifting(2), {"fps": "15"}, "fps '15': give a number"),
        (drifting(2), {"quality": 32}, "quality 32 for mpeg4: give a qscale"),
        (drifting(2), {"options": {"colour": "1"}}, "option colour: "),
        (drifting(2), {"codec": "h264", "options": {"crf": "good"}}, "cannot hold h264"),
        (drifting(2), {"codec": "flv1"}, "cannot hold flv1"),
        (drifting(2), {"codec": "mpeg1video", "fps": 7}, "cannot hold mpeg1video"),
    ],
)
def test_bad_settings_are_told_in_one_line_and_leave_no_file(tmp_path, frames, settings, message):
    path = tmp_path / "clip.mp4"
    with pytest.raises(SettingError, match=message) as caught:
        encode_clip(path, frames, **settings)
    assert "\n" not in str(caught.value)
    assert not path.exists()


def test_missing_folder(tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        encode_clip(tmp_path / "missing" / "clip.mp4", drifting(2))


@pytest.mark.parametrize("name", ["", "."])
def test_a_folder_in_place_of_a_file(name):
    with pytest.raises(OutputError, match="is a folder"):
        encode_clip(name, drifting(2))


def test_errors_of_the_frames_themselves_pass_unchanged(tmp_path):
    def failing():
        yield from drifting(2)
        raise ValueError("the camera fell down")

    with pytest.raises(ValueError, match="the camera fell down"):
        encode_clip(tmp_path / "clip.mp4", failing())
    assert list(tmp_path.iterdir()) == []
