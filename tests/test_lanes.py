import itertools

import pytest

from taplab.lanes import cut_lanes, mark_keys
from taplab.video.reader import Video


def test_lanes_begin_with_key_frames_and_cover_everything(make_clip):
    lanes = list(cut_lanes(Video(make_clip("mpeg4", gop=12)).frames(), 5))
    assert [len(lane.frames) for lane in lanes] == [5, 5, 2, 5, 5, 2, 5, 1]
    assert all(lane.frames[0].starts_lane and lane.borrowed is None for lane in lanes)
    assert [f.index for lane in lanes for f in lane.frames] == list(range(30))


def test_leading_b_frames_stay_with_the_lane_before(make_clip):
    clip = make_clip("h264", ".mp4", gop=30, options={"bf": "3", "b-pyramid": "none"})
    lanes = list(cut_lanes(Video(clip).frames(), 8))
    own = [f.index for lane in lanes for f in lane.frames if f is not lane.borrowed]
    assert sorted(own) == list(range(30))
    borrowing = [lane for lane in lanes if lane.borrowed is not None]
    assert borrowing
    for lane in borrowing:
        following = lanes[lanes.index(lane) + 1]
        assert lane.borrowed is following.frames[0]
        assert lane.borrowed.shared
    for lane in lanes:
        assert all(f.display >= lane.frames[0].display for f in lane.frames)


@pytest.mark.parametrize("interval", [1, 4, 12])
@pytest.mark.parametrize("options", [{"bf": "0"}, {"bf": "2"}, {"bf": "3", "b-pyramid": "normal"}])
def test_key_frames_are_at_most_an_interval_apart(make_clip, interval, options):
    frames = list(mark_keys(Video(make_clip("h264", ".mp4", gop=30, options=options)).frames(), interval))
    keys = sorted(f.display for f in frames if f.starts_lane)
    assert keys[0] == 0
    assert all(b - a <= interval for a, b in itertools.pairwise([*keys, 29]))
    assert len(keys) <= 30 if interval == 1 else len(keys) < 2 + 2 * 30 / interval
    if interval > 1:
        assert all(f.kind != "B" for f in frames if f.starts_lane)
