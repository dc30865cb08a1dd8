import numpy as np
import pytest

from taplab import PaperSettings, Segmenter, SettingError, open_video
from taplab.lanes import mark_keys
from taplab.policies import Answer, Live

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


def test_a_key_frame_remembers_the_one_before_it(make_clip, model):
    """The scores of a key frame are not the network's alone, but agree with them nearly everywhere."""
    clip = make_clip("mpeg4")
    truth, _ = run(clip, model, mode="per-frame")
    live, _ = run(clip, model, mode="live", settings=FFW)
    key = live[12]
    assert key.key
    different = np.mean(key.labels != truth[12].labels)
    assert 0 < different < 0.05


def test_rgc_is_refused():
    with pytest.raises(SettingError, match="mode live has no rgc"):
        Live(PaperSettings(("ffw", "rgc")))


def test_streams_are_live_and_files_offline(model):
    segmenter = Segmenter(model)
    assert segmenter._policy_for("rtsp://camera/1").name == "live"
    assert segmenter._policy_for("UDP://127.0.0.1:5000").name == "live"
    assert segmenter._policy_for("https://example.org/a.mp4").name == "offline"
    assert segmenter._policy_for("a.mp4").name == "offline"
    assert Segmenter(model, mode="paper")._policy_for("rtsp://camera/1").name == "paper"


@pytest.mark.parametrize("b_frames", ["3", "8"])
def test_many_frames_between_references_cost_nothing(make_clip, model, b_frames):
    """Frames that no other refers to do not push out those that are needed."""
    clip = make_clip("h264", gop=30, options={"bf": b_frames, "b_strategy": "0", "b-pyramid": "0"})
    _, summary = run(clip, model, mode="live", settings=FFW)
    _, paper = run(clip, model, mode="paper", settings=FFW)
    assert summary.key_frames == paper.key_frames
    assert summary.motion["codec"] >= 28


def test_damaged_frames_are_seen_by_the_network(shared, model):
    clip = shared / "clips" / "BA_MW_D_P_LOST.264"
    for mode in ("live", "offline", "itp"):
        results, _ = run(clip, model, mode=mode, settings=FFW)
        damaged = [r for r in results if r.damaged]
        assert damaged
        assert all(r.origin == "network" for r in damaged)
