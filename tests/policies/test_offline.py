import gc
import weakref

import numpy as np
import pytest
import torch

from taplab import PaperSettings, Segmenter, SettingError, open_video
from taplab.lanes import mark_keys
from taplab.policies import Answer, Ask, Offline, make_policy, side

FFW = PaperSettings(("ffw",))


WAYS = [
    {"codec": "mpeg4", "gop": 12},
    {"codec": "h264", "gop": 30},
    {"codec": "h264", "gop": 30, "options": {"bf": "3"}},
]


def run(clip, model, **how):
    segmentation = Segmenter(model, **how).stream(clip)
    return list(segmentation), segmentation.summary()


@pytest.mark.parametrize("how", WAYS)
def test_looking_ahead_is_closer_to_per_frame_at_the_same_cost(make_clip, model, how):
    clip = make_clip(**how)
    truth = [r.labels for r in run(clip, model, mode="per-frame")[0]]
    agreement = {}
    for mode in ("paper", "offline"):
        results, summary = run(clip, model, mode=mode, settings=FFW)
        agreement[mode] = np.mean([np.mean(r.labels == truth[r.index]) for r in results if r.index < 24])
        assert summary.network_cost < 0.2
        assert [r.index for r in results] == list(range(30))
    assert agreement["offline"] > agreement["paper"] + 0.003


def test_frames_between_key_frames_are_fused_and_the_last_ones_warped(make_clip, model):
    results, summary = run(make_clip("mpeg4", gop=12), model, mode="offline", settings=FFW)
    origins = [r.origin for r in results]
    assert origins == ["network", *["fused"] * 11, "network", *["fused"] * 11, "network", *["warped"] * 5]
    assert summary.key_frames == 3  # nothing is computed twice
    assert summary.network_cost == 0.1


@pytest.mark.parametrize("how", WAYS)
def test_the_number_of_lanes_changes_nothing(make_clip, model, how):
    one, _ = run(make_clip(**how), model, mode="offline", settings=FFW, lanes=1)
    many, _ = run(make_clip(**how), model, mode="offline", settings=FFW, lanes=5)
    for a, b in zip(one, many, strict=True):
        assert (a.index, a.origin) == (b.index, b.origin)
        assert np.mean(a.labels != b.labels) < 1e-3


@pytest.mark.parametrize("how", WAYS)
def test_ways_to_key_frames_are_worked_out_beside_each_other_and_that_changes_nothing(
    make_clip, model, monkeypatch, threads_of, how
):
    clip = make_clip(**how)
    alone, _ = run(clip, model, mode="offline", settings=FFW)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    names = threads_of(side, "_corrected")
    beside, _ = run(clip, model, mode="offline", settings=FFW)
    assert any(name.startswith("taplab-parts") for name in names)
    assert all(np.array_equal(a.labels, b.labels) for a, b in zip(alone, beside, strict=True))


def test_lanes_take_turns_however_many_key_frames_they_have(make_clip, model):
    """With RGFS some lanes ask more often than others and would overtake them."""
    clip = make_clip("mpeg4", gop=6)
    with_rgfs = PaperSettings(("ffw", "rgfs"), thr_rgfs=1e9)
    residuals = sorted(r.residual for r in run(clip, model, mode="paper", settings=with_rgfs)[0] if r.residual)
    settings = PaperSettings(("ffw", "rgfs"), thr_rgfs=residuals[len(residuals) * 3 // 4], interval=6)
    one, summary = run(clip, model, mode="offline", settings=settings, lanes=1)
    many, _ = run(clip, model, mode="offline", settings=settings, lanes=5)
    assert 5 < summary.key_frames < 15
    assert all(np.mean(a.labels != b.labels) < 1e-3 for a, b in zip(one, many, strict=True))


def test_key_frames_remember_their_neighbours(make_clip, model):
    """The labels of a key frame are not the network's alone, but agree with them nearly everywhere."""
    clip = make_clip("mpeg4", gop=12)
    truth, _ = run(clip, model, mode="per-frame")
    results, _ = run(clip, model, mode="offline", settings=FFW)
    for key in (0, 12, 24):  # the first knows only the one after, the last only the one before
        assert results[key].key
        assert 0 < np.mean(results[key].labels != truth[key].labels) < 0.05


def test_answered_frames_are_let_go(make_clip, model):
    """Key frames let go of each other and of the frames that waited for them."""
    segmentation = Segmenter(model, mode="offline", settings=FFW, lanes=1).stream(make_clip("mpeg4", gop=6))
    gc.disable()  # not even for the collector of cycles
    try:
        frames = [weakref.ref(result.frame) for result in segmentation]
        assert [k for k, frame in enumerate(frames) if frame() is not None] == []
    finally:
        gc.enable()


def test_key_frames_inside_a_lane_split_it(make_clip, model):
    settings = PaperSettings(("ffw", "rgfs"), thr_rgfs=0.0)
    _, summary = run(make_clip("mpeg4"), model, mode="offline", settings=settings)
    assert summary.key_frames == 30


def test_streams_without_vectors_are_fused_by_estimated_motion(make_clip, model):
    clip = make_clip("hevc", ".mkv", options={"bf": "2"})
    truth = [r.labels for r in run(clip, model, mode="per-frame")[0]]
    results, summary = run(clip, model, mode="offline", settings=FFW)
    assert summary.network_cost == 0.1
    assert summary.motion == {"none": 3, "estimated": 27}
    assert np.mean([np.mean(r.labels == truth[r.index]) for r in results]) > 0.9


def test_auto_is_offline_unless_rgc_is_asked_for():
    assert make_policy("auto").name == "offline"
    assert make_policy("auto", PaperSettings(("ffw", "rgc"))).name == "paper"
    with pytest.raises(SettingError, match="mode live or paper"):
        make_policy("offline", PaperSettings(("ffw", "rgc")))


def test_nothing_is_carried_back_out_of_damage(make_clip, model):
    """A damaged key frame says nothing of the sound frames before it."""
    frames = list(mark_keys(open_video(make_clip("mpeg4")).frames(), 12))[:13]
    for damaged, origin in ((False, "fused"), (True, "warped")):
        frames[12].damaged = damaged
        steps = Offline(FFW).run(frames)
        step, answers = next(steps), []
        try:
            while True:
                if isinstance(step, Ask):
                    step = steps.send(model(step.frame.rgb()[None])[0])
                    continue
                if isinstance(step, Answer):
                    answers.append(step)
                step = next(steps)
        except StopIteration:
            pass
        assert [a.origin for a in answers] == ["network", *[origin] * 11, "network"]
