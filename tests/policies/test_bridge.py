from dataclasses import replace

import numpy as np
import pytest

from taplab import open_video
from taplab.lanes import mark_keys
from taplab.policies.bridge import bridged


def frames_of(clip):
    return list(open_video(clip).frames())


def test_i_frames_get_motion_and_are_no_key_frames_any_more(make_clip):
    frames = list(mark_keys(bridged(open_video(make_clip("mpeg4", gop=6)).frames()), 12))
    assert [f.index for f in frames if f.kind == "I"] == [0, 6, 12, 18, 24]
    assert [f.index for f in frames if f.starts_lane] == [0, 12, 24]
    assert [f.index for f in frames if f.stands_alone] == [0]
    motion = frames[6].motion
    assert motion.origin == "estimated"
    assert [field.reference for field in motion.fields] == [5]
    before, after = (frames[k].motion.fields[0].vectors for k in (5, 7))
    assert np.abs(motion.fields[0].vectors - (before + after) / 2).mean() < 3  # pixels


def test_what_the_stream_says_stays(make_clip):
    clip = make_clip("h264", gop=30, options={"bf": "2"})
    plain, changed = frames_of(clip), list(bridged(iter(frames_of(clip))))
    for one, other in zip(plain[1:], changed[1:], strict=True):
        assert other.motion.origin == "codec"
        assert [f.reference for f in one.motion.fields] == [f.reference for f in other.motion.fields]


@pytest.mark.parametrize("hurt", [5, 6])
def test_never_out_of_damage_or_into_it(make_clip, hurt):
    frames = frames_of(make_clip("mpeg4", gop=6))
    frames[hurt].damaged = True
    assert list(bridged(iter(frames)))[6].motion is None


def test_not_to_another_size(make_clip):
    frames = frames_of(make_clip("mpeg4", gop=6))
    frames[6] = replace(frames[6], width=96)
    assert list(bridged(iter(frames)))[6].motion is None
