import itertools

import pytest
import torch

from taplab.lanes import Lane, cut_lanes, mark_keys, run_in_lockstep
from taplab.modules.ffw import Carried
from taplab.policies import Answer, Ask, Policy
from taplab.policies.base import Turn
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


def test_a_turn_comes_when_the_lanes_before_have_ended(make_clip):
    """A lane of three frames asks three times, and yet the lane of one frame after it ends later."""

    class Patient(Policy):
        name = "patient"

        def run(self, frames):
            answers = []
            for frame in frames:
                scores = yield Ask(frame)
                answers.append(Answer(frame, Carried(scores), "network"))
            yield Turn()
            yield from answers

    frames = list(Video(make_clip("mpeg4")).frames())[:4]
    calls = []

    def network(asks):
        calls.append([ask.frame.index for ask in asks])
        return [torch.zeros(2, 3, 4) for _ in asks]

    answers = run_in_lockstep([Lane(frames[:3]), Lane(frames[3:])], Patient(), network)
    assert [answer.frame.index for answer in answers] == [0, 1, 2, 3]
    assert calls == [[0, 3], [1], [2]]  # and still they ask together
