import threading
from itertools import pairwise

import numpy as np
import pytest
import torch

from taplab import PaperSettings, Segmenter, SettingError, TorchModel, open_video
from taplab.lanes import mark_keys
from taplab.policies import Answer, Dial, Live, make_policy
from taplab.segmentation import Segmentation

FFW = PaperSettings(("ffw",))


WAYS = [
    {"codec": "mpeg4", "gop": 12},
    {"codec": "h264", "gop": 30},
    {"codec": "h264", "gop": 30, "options": {"bf": "3"}},
    {"codec": "hevc", "suffix": ".mkv"},
]


def run(clip, model, **how):
    segmentation = Segmenter(model, **how).stream(clip)
    return list(segmentation), segmentation.summary()


@pytest.mark.parametrize("how", WAYS)
def test_it_is_closer_to_per_frame_than_ffw_at_the_same_cost(make_clip, model, how):
    clip = make_clip(**how)
    truth = [r.labels for r in run(clip, model, mode="per-frame")[0]]
    agreement = {}
    for mode in ("paper", "live"):
        results, summary = run(clip, model, mode=mode, settings=FFW)
        agreement[mode] = np.mean([np.mean(r.labels == truth[r.index]) for r in results])
        assert summary.network_cost <= 0.15
        assert [r.index for r in results] == list(range(30))
    assert agreement["live"] > agreement["paper"] + 0.003


def test_every_frame_is_answered_before_the_next_is_looked_at(make_clip, model):
    looked_at = []

    def frames():
        for frame in mark_keys(open_video(make_clip("h264", options={"bf": "2"})).frames(), 12):
            looked_at.append(frame.index)
            yield frame

    steps = Live(FFW).run(frames())
    step = next(steps)
    answered = []
    try:
        while True:
            if isinstance(step, Answer):
                answered.append(step.frame.index)
                assert answered == looked_at
                step = next(steps)
            else:
                step = steps.send(model(step.frame.rgb()[None])[0])
    except StopIteration:
        pass
    assert len(answered) == 30


def test_lanes_change_nothing(make_clip, model):
    one, _ = run(make_clip("mpeg4"), model, mode="live", settings=FFW, lanes=1)
    many, _ = run(make_clip("mpeg4"), model, mode="live", settings=FFW, lanes=5)
    assert all(np.array_equal(a.labels, b.labels) for a, b in zip(one, many, strict=True))


@pytest.mark.parametrize("modules", [("ffw",), ("ffw", "rgc")])
def test_files_are_worked_on_ahead_and_that_changes_nothing(make_clip, model, monkeypatch, threads_of, modules):
    how = {"mode": "live", "settings": PaperSettings(modules)}
    at_once, _ = run(make_clip("mpeg4"), model, **how)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    names = threads_of(Segmentation, "_labels")
    ahead, _ = run(make_clip("mpeg4"), model, **how)
    assert all(name.startswith("taplab-results") for name in names)
    assert all(np.array_equal(a.labels, b.labels) for a, b in zip(at_once, ahead, strict=True))
    names.clear()
    run(make_clip("mpeg4"), model, mode="live", target_fps=5)
    assert names == {threading.current_thread().name}  # what is timed is not put off


def test_a_key_frame_remembers_the_one_before_it(make_clip, model):
    """The scores of a key frame are not the network's alone, but agree with them nearly everywhere."""
    clip = make_clip("mpeg4")
    truth, _ = run(clip, model, mode="per-frame")
    live, _ = run(clip, model, mode="live", settings=FFW)
    key = live[12]
    assert key.key
    different = np.mean(key.labels != truth[12].labels)
    assert 0 < different < 0.05


REGIONS = PaperSettings(("ffw", "rgc"), interval=6)


def test_regions_bring_it_closer_to_per_frame(make_clip, model):
    clip = make_clip("h264", gop=60)
    truth = [r.labels for r in run(clip, model, mode="per-frame")[0]]
    agreement = {}
    for settings in (REGIONS, PaperSettings(("ffw",), interval=6)):
        results, _ = run(clip, model, mode="live", settings=settings)
        agreement[settings] = np.mean([np.mean(r.labels == truth[r.index]) for r in results if r.index > 18])
    with_regions, without = agreement.values()
    assert with_regions > without + 0.003


def test_regions_are_told_in_results_and_summary(make_clip, model):
    results, summary = run(make_clip("mpeg4", gop=60), model, mode="live", settings=REGIONS)
    corrected = [r for r in results if r.origin == "corrected"]
    assert len(corrected) == summary.crops - 2  # of the trial
    assert all(r.region is not None and not r.key for r in corrected)
    assert all(b.index - a.index >= 2 for a, b in pairwise(corrected))
    assert corrected[0].index > 12
    assert summary.notes == []


class Relative(torch.nn.Module):
    """Brighter or darker than the rest of what it is shown: nothing of a frame can be said by a region."""

    def forward(self, x):
        grey = torch.nn.functional.avg_pool2d(x.mean(1, keepdim=True), 4, ceil_mode=True)
        grey = grey - grey.mean((2, 3), keepdim=True)
        return torch.cat([-grey, grey], 1)


def test_a_network_that_needs_the_whole_frame_gets_no_regions(make_clip):
    model = TorchModel(Relative(), classes=("darker", "brighter"), name="relative")
    results, summary = run(make_clip("mpeg4", gop=60), model, mode="live", settings=REGIONS)
    assert all(r.origin in ("network", "fused") for r in results)
    assert "do not pay" in summary.notes[0]


def test_a_short_stream_says_that_there_were_no_regions(make_clip, model):
    settings = PaperSettings(("ffw", "rgc"), interval=15)
    results, summary = run(make_clip("mpeg4", gop=60), model, mode="live", settings=settings)
    assert all(r.origin in ("network", "fused") for r in results)
    assert "tried on 2 key frames" in summary.notes[0]


def test_with_regions_too_every_codec_is_answered(make_clip, model):
    for how in WAYS:
        results, _ = run(make_clip(**how), model, mode="live", settings=REGIONS)
        assert [r.index for r in results] == list(range(30))


def test_a_budget_is_spent_on_regions_too(make_clip, model):
    settings = PaperSettings(("ffw", "rgc"), interval=6)
    results, summary = run(make_clip("mpeg4", gop=60), model, mode="live", settings=settings, budget=0.3)
    corrected = [r for r in results if r.origin == "corrected"]
    assert corrected
    assert len(corrected) == summary.crops - 2  # of the trial
    assert 0.2 < summary.network_cost <= 0.3
    assert sum(r.region is not None for r in results) == summary.crops  # the trial's stand at key frames


@pytest.mark.parametrize("budget", [0.12, 0.2, 0.5])
def test_a_trial_waits_until_the_budget_has_it(make_clip, model, budget):
    settings = PaperSettings(("ffw", "rgc"), interval=24)
    clip = make_clip("mpeg4", gop=60)
    for frames in range(9, 31, 3):
        segmentation = Segmenter(model, mode="live", settings=settings, budget=budget).stream(clip, max_frames=frames)
        assert len(list(segmentation)) == frames
        assert segmentation.summary().network_cost <= max(budget, 1 / frames) + 1e-4


def test_where_the_network_sees_every_frame_nothing_is_tried(make_clip, model):
    _, summary = run(make_clip("mpeg4", gop=60), model, mode="live", settings=REGIONS, target_fps=0.1)
    assert summary.crops == 0
    assert summary.network_cost <= 1


def test_what_regions_are_worth_is_not_predicted():
    with pytest.raises(SettingError, match="leave rgc out, or ask for a budget"):
        make_policy("live", REGIONS, dial=Dial(quality=0.5))


def test_streams_are_live_and_files_offline(model):
    segmenter = Segmenter(model)
    assert segmenter._policy_for(live=True).name == "live"
    assert segmenter._policy_for(live=False).name == "offline"
    assert Segmenter(model, settings=REGIONS)._policy_for(live=True).name == "live"
    assert Segmenter(model, settings=REGIONS)._policy_for(live=False).name == "paper"
    assert Segmenter(model, mode="paper")._policy_for(live=True).name == "paper"


@pytest.mark.parametrize("b_frames", ["3", "8"])
def test_many_frames_between_references_cost_nothing(make_clip, model, b_frames):
    """Frames that no other refers to do not push out those that are needed."""
    clip = make_clip("h264", gop=30, options={"bf": b_frames, "b_strategy": "0", "b-pyramid": "0"})
    _, summary = run(clip, model, mode="live", settings=FFW)
    _, paper = run(clip, model, mode="paper", settings=FFW)
    assert summary.key_frames == paper.key_frames
    assert paper.motion["codec"] >= 28
    assert summary.motion["codec"] + summary.motion["refined"] == paper.motion["codec"]


def test_damaged_frames_are_seen_by_the_network(shared, model):
    clip = shared / "clips" / "BA_MW_D_P_LOST.264"
    for mode in ("live", "offline", "itp"):
        results, _ = run(clip, model, mode=mode, settings=FFW)
        damaged = [r for r in results if r.damaged]
        assert damaged
        assert all(r.origin == "network" for r in damaged)
