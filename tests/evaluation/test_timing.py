from functools import partial

from taplab.evaluation.timing import in_turn, medians, time_ways
from taplab.evaluation.ways import Way
from taplab.timing import STAGES


def test_ways_take_turns():
    order = []
    taken = list(in_turn([partial(order.append, "a"), partial(order.append, "b")], 3))
    assert order == ["a", "b"] * 3
    assert taken == [[None] * 2] * 3


def test_one_slow_round_does_not_decide():
    assert medians([{"total": 1.0, "warp": 3.0}, {"total": 90.0, "warp": 1.0}, {"total": 2.0, "warp": 2.0}]) == {
        "total": 2.0,
        "warp": 2.0,
    }


def test_every_way_is_timed_by_stage(make_clip, model):
    per_frame, paper = time_ways(make_clip("mpeg4"), model, [Way("per-frame"), Way("paper")], frames=15, rounds=1)
    assert set(paper.seconds) == {*STAGES, "total"}
    assert per_frame.seconds["motion"] == 0 < paper.seconds["motion"]
    assert paper.fps == 1 / paper.seconds["total"]
