"""Transport streams joined by ``cat``: two sizes, each with times from its own start."""

import av
import numpy as np
import pytest

from taplab.video.encode import encode_clip
from taplab.video.reader import Video

WAYS = {
    "h264": ("h264", {}),
    "h264 with B-frames": ("h264", {"bf": "2"}),
    "mpeg2": ("mpeg2video", {}),
    "mpeg4": ("mpeg4", {}),
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
    assert not any(f.damaged for f in frames)
    seams = [i for i in range(1, len(frames)) if frames[i].height != frames[i - 1].height]
    assert len(seams) == 2
    assert all(frames[i].scene > frames[i - 1].scene for i in seams)


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
