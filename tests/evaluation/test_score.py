import pytest

from taplab import PaperSettings, SettingError, SourceError
from taplab.data.clips import ClipSet
from taplab.evaluation import score
from taplab.evaluation.cache import Cache
from taplab.evaluation.score import evaluate
from taplab.evaluation.trials import Draw, Encoding
from taplab.evaluation.ways import Way

WAYS = [Way("per-frame"), Way("paper"), Way("paper", PaperSettings(("ffw", "rgc"), alpha=1.0)), Way("offline")]


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache")


def test_all_ways_are_scored_on_the_same_frames(bright, model, cache):
    per_frame, ffw, rgc, offline = evaluate(bright(), model, WAYS, Encoding(), Draw(), cache, rounds=1)
    assert per_frame.miou > 0.95  # but for what the encoder did
    assert per_frame.miou_by_distance == {0: per_frame.miou}
    assert per_frame.network_cost == 1.0
    assert ffw.miou < rgc.miou < per_frame.miou
    assert ffw.miou < offline.miou
    assert ffw.boundary_iou < per_frame.boundary_iou <= 1
    assert list(ffw.miou_by_distance) == list(range(12))
    assert ffw.network_cost == pytest.approx(1 / 12, abs=1e-4)
    assert ffw.network_fps >= ffw.fps > 0
    assert ffw.as_json()["seconds"]["network"] > 0


def test_a_single_labelled_frame_costs_what_its_group_of_pictures_costs(bright, model, cache):
    scores = evaluate(bright((19,)), model, WAYS, Encoding(), Draw(12), cache, rounds=0)
    per_frame, ffw, _, offline = scores
    assert (per_frame.frames, per_frame.phases, per_frame.network_cost) == (12, 12, 1.0)
    assert (per_frame.key_frames, ffw.key_frames) == (143, 12)  # whole groups, but one at the clip's end
    assert ffw.network_cost == pytest.approx(1 / 12, abs=0.001)
    assert offline.network_cost == pytest.approx(1 / 12, abs=0.001)
    assert list(ffw.miou_by_distance) == list(range(12))
    assert ffw.miou_range[0] < ffw.miou < ffw.miou_range[1]
    assert 0.5 < ffw.temporal_consistency <= 1
    assert ffw.as_json()["fps"] is None


def test_speed_of_a_single_labelled_frame_s_clip_is_that_of_several_groups(bright, model, cache, monkeypatch):
    timed = []
    monkeypatch.setattr(score, "time_ways", lambda clip, model, ways, *, frames, rounds: timed.append(frames) or [None])
    evaluate(bright((19,)), model, WAYS[3:], Encoding(), Draw(), cache, rounds=1)
    assert timed == [24]


def test_an_interrupted_evaluation_goes_on(bright, model, cache, monkeypatch):
    ways = WAYS[:2]
    calls = []
    real = type(model).__call__

    def interrupted(self, images):
        calls.append(len(images))
        if len(calls) == 6:  # within the second phase
            raise KeyboardInterrupt
        return real(self, images)

    monkeypatch.setattr(type(model), "__call__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        evaluate(bright((19,)), model, ways, Encoding(), Draw(3), cache, rounds=0)
    calls_resumed, calls_anew = len(calls), 0
    scores = evaluate(bright((19,)), model, ways, Encoding(), Draw(3), cache, rounds=0)
    calls_resumed, calls_anew = len(calls) - calls_resumed, len(calls)
    again = evaluate(bright((19,)), model, ways, Encoding(), Draw(3), Cache(cache.folder.parent / "new"), rounds=0)
    calls_anew = len(calls) - calls_anew
    assert [s.as_json() for s in scores] == [s.as_json() for s in again]
    assert calls_resumed < calls_anew
    clips_before = {f.name: f.stat().st_mtime_ns for f in (cache.folder / "clips").iterdir()}
    evaluate(bright((19,)), model, ways, Encoding(), Draw(3), cache, rounds=0)
    assert clips_before == {f.name: f.stat().st_mtime_ns for f in (cache.folder / "clips").iterdir()}


def test_other_classes_and_no_labels_are_told(bright, model, cache):
    clips = bright()
    three = ClipSet("three", ("a", "b", "c"), clips.palette, clips.clips)
    with pytest.raises(SettingError, match="knows 2 classes, the labels of three have 3"):
        evaluate(three, model, WAYS, Encoding(), Draw(), cache)
    with pytest.raises(SourceError, match="no frame with labels"):
        evaluate(bright(()), model, WAYS, Encoding(), Draw(), cache)
