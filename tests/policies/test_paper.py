import numpy as np
import pytest
import torch

from taplab import Segmenter
from taplab.errors import SettingError
from taplab.lanes import run_endless
from taplab.policies import OpticalFlow, Paper, PaperSettings, PerFrame, make_policy, used
from taplab.video.reader import Video


class Counting:
    """Stands for the network: every request gets scores that say when it was asked for."""

    def __init__(self):
        self.asked = []

    def __call__(self, asks):
        replies = []
        for ask in asks:
            self.asked.append((ask.frame.display, ask.region))
            box = ask.region or ask.frame
            replies.append(torch.full((2, -(-box.height // 4), -(-box.width // 4)), float(len(self.asked))))
        return replies


def run(clip, policy):
    network = Counting()
    return list(run_endless(Video(clip).frames(), policy, network)), network.asked


def test_per_frame_asks_for_everything(make_clip):
    answers, asked = run(make_clip("mpeg4"), PerFrame())
    assert [a.frame.display for a in answers] == list(range(30))
    assert asked == [(i, None) for i in range(30)]


def test_ffw_sees_i_frames_and_every_interval(make_clip):
    _, asked = run(make_clip("mpeg4", gop=12), Paper(PaperSettings(("ffw",))))
    assert asked == [(0, None), (12, None), (24, None)]
    answers, asked = run(make_clip("mpeg4", gop=12), Paper(PaperSettings(("ffw",), interval=5)))
    assert [i for i, _ in asked] == [0, 5, 10, 12, 17, 22, 24, 29]
    assert {a.origin for a in answers} == {"network", "warped"}


def test_warped_scores_come_from_the_last_key_frame(make_clip):
    answers, _ = run(make_clip("mpeg4", gop=12), Paper(PaperSettings(("ffw",))))
    for answer in answers:
        expected = 1.0 + answer.frame.display // 12
        assert torch.allclose(answer.carried.scores, torch.tensor(expected))


def test_rgc_corrects_one_region_of_every_warped_frame(make_clip):
    answers, asked = run(make_clip("mpeg4"), Paper(PaperSettings(("ffw", "rgc"), alpha=0.25)))
    assert len(asked) == 30
    for answer in answers:
        if answer.frame.kind == "P":
            region = answer.region
            assert answer.origin == "corrected"
            assert (region.height, region.width) == (80, 80)
            rows, columns = slice(region.top // 4, region.top // 4 + 20), slice(region.left // 4, region.left // 4 + 20)
            reply = asked.index((answer.frame.display, region)) + 1.0
            inside = answer.carried.scores[:, rows, columns]
            assert inside.max() <= 0.25 * reply + 0.75 * reply + 1e-4
            assert inside.min() >= 0.25 * reply


@pytest.mark.parametrize("region", [(4096, 4096), (144, 16), (16, 192)])
def test_regions_larger_than_the_frame_are_cut_to_it(make_clip, region):
    answers, _ = run(make_clip("mpeg4"), Paper(PaperSettings(("ffw", "rgc"), region=region)))
    used = {(a.region.height, a.region.width) for a in answers if a.region}
    assert used == {(min(region[0], 144), min(region[1], 192))}


def test_rgfs_makes_hard_frames_key_frames(make_clip):
    clip = make_clip("mpeg4")
    answers, _ = run(clip, Paper(PaperSettings(("ffw", "rgfs"), thr_rgfs=1e9)))
    scores = sorted(a.frame.residual.score for a in answers if a.frame.kind == "P")
    threshold = scores[-6]  # five frames lie above
    answers, asked = run(clip, Paper(PaperSettings(("ffw", "rgfs"), thr_rgfs=threshold)))
    assert len(asked) == 3 + 5
    raw = threshold * 3 * 144 * 192
    _, asked_raw = run(clip, Paper(PaperSettings(("ffw", "rgfs"), thr_rgfs=raw, thr_rgfs_unit="sum")))
    assert asked_raw == asked


def test_streams_without_vectors_are_warped_by_estimated_motion(make_clip):
    answers, asked = run(make_clip("hevc", ".mkv"), Paper(PaperSettings(("ffw",))))
    assert [i for i, _ in asked] == [0, 12, 24]
    assert {a.frame.motion.origin for a in answers if a.origin == "warped"} == {"estimated"}


def test_b_frames_of_mpeg4_are_warped_by_estimated_motion(make_clip):
    answers, asked = run(make_clip("mpeg4", ".avi", options={"bf": "2"}), Paper(PaperSettings(("ffw",))))
    assert len(asked) == 3
    assert {a.frame.motion.origin for a in answers if a.frame.kind == "B"} == {"estimated"}


def test_b_frames_are_warped_too(make_clip):
    clip = make_clip("h264", ".mp4", gop=30, options={"bf": "3", "b-pyramid": "normal"})
    answers, asked = run(clip, Paper(PaperSettings(("ffw",), interval=40)))
    assert len(asked) == 1
    assert sum(a.frame.kind == "B" for a in answers) > 5


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"modules": ("rgc",)}, "ffw"),
        ({"modules": ("ffw", "rgx")}, "rgx"),
        ({"interval": 0}, "interval"),
        ({"alpha": 1.5}, "alpha"),
        ({"modules": ()}, "ffw"),
        ({"thr_rgfs": float("nan")}, "thr_rgfs"),
        ({"region": (100, 96)}, "multiples of 16"),
        ({"stride": (0, 16)}, "multiples of 16"),
        ({"thr_rgfs_unit": "pounds"}, "grey"),
    ],
)
def test_settings_are_checked(wrong, says):
    with pytest.raises(SettingError, match=says):
        PaperSettings(**wrong)


def test_modes_by_name():
    assert make_policy("per-frame").name == "per-frame"
    assert make_policy("paper").name == "paper"
    with pytest.raises(SettingError, match="per-frame"):
        make_policy("offlin")
    with pytest.raises(SettingError, match="dis, farneback"):
        make_policy("flow:raft")


class TrueFlow:
    """The drive's own motion, found by the number of its calls: one a frame, in order, but for the key frames."""

    def __init__(self, drive, indices):
        self.drive, self.indices = drive, iter(indices)

    def __call__(self, now, before):
        return self.drive.flow(next(self.indices))


def agreement(clip, model, mode, settings):
    """Share of the pixels labelled as the network would, and the summary."""
    truth = [r.labels for r in Segmenter(model, mode="per-frame").stream(clip)]
    segmentation = Segmenter(model, mode=mode, settings=settings).stream(clip)
    return np.mean([np.mean(r.labels == truth[r.index]) for r in segmentation]), segmentation.summary()


def test_flow_is_composed_back_to_the_key_frame(make_clip):
    """A flow of (-4, 0) a frame moves the scores by one cell a frame, sampled once from the key frame."""

    def steady(now, before):
        return np.full((*now.shape[:2], 2), (-4, 0), np.float32)

    def network(asks):
        return [torch.arange(48.0).expand(2, 36, 48) for _ in asks]

    policy = Paper(PaperSettings(("ffw",)), OpticalFlow(steady, "flow:steady"))
    assert policy.name == "flow:steady"
    for answer in run_endless(Video(make_clip("mpeg4", gop=12)).frames(), policy, network):
        moved = answer.frame.display % 12
        expected = (torch.arange(48.0) - moved).clamp(min=0)
        assert torch.allclose(answer.carried.scores, expected.expand(2, 36, 48), atol=1e-3)


def test_the_true_flow_carries_better_than_the_codec(make_clip, drive, model):
    clip = make_clip("mpeg4", gop=12)
    truth = [r.labels for r in Segmenter(model, mode="per-frame").stream(clip)]
    segmenter = Segmenter(model, mode="paper", settings=PaperSettings(("ffw",)), lanes=1)
    shares = {}
    for name in ("paper", "flow:true"):
        if name == "flow:true":
            warped = [i for i in range(30) if i % 12]
            segmenter.policy = Paper(PaperSettings(("ffw",)), OpticalFlow(TrueFlow(drive, warped), name))
        shares[name] = np.mean([np.mean(r.labels == truth[r.index]) for r in segmenter.stream(clip)])
    assert shares["flow:true"] > shares["paper"]


@pytest.mark.parametrize(("name", "better"), [("dis", 0.02), ("farneback", 0.02), ("net", 0.005)])
def test_flow_by_name(make_clip, model, name, better):
    if name != "net":
        pytest.importorskip("cv2")
    clip, settings = make_clip("mpeg4", gop=12), PaperSettings(("ffw",))
    truth = [r.labels for r in Segmenter(model, mode="per-frame").stream(clip)]
    held = np.mean([np.mean(truth[i // 12 * 12] == truth[i]) for i in range(30)])
    share, summary = agreement(clip, model, f"flow:{name}", settings)
    assert summary.mode == f"flow:{name}"
    assert summary.network_cost == 0.1
    assert share > held + better


@pytest.mark.parametrize("modules", [("ffw", "rgc"), ("ffw", "rgfs"), ("ffw", "rgc", "rgfs")])
def test_rgc_and_rgfs_work_on_flow(make_clip, model, modules):
    pytest.importorskip("cv2")
    clip = make_clip("mpeg4", gop=12)
    alone, plain = agreement(clip, model, "flow:dis", PaperSettings(("ffw",)))
    settings = used(PaperSettings(modules, thr_rgfs=1.5), "paper")
    share, summary = agreement(clip, model, "flow:dis", settings)
    _, codec = agreement(clip, model, "paper", settings)
    assert (summary.key_frames, summary.crops) == (codec.key_frames, codec.crops)  # the codec's residual decides
    assert summary.network_cost == codec.network_cost > plain.network_cost
    assert share > alone


@pytest.mark.parametrize("how", [{"codec": "mpeg4"}, {"codec": "h264", "gop": 30, "options": {"bf": "3"}}])
@pytest.mark.parametrize("modules", [("ffw",), ("ffw", "rgc", "rgfs")])
def test_flow_does_not_depend_on_the_number_of_lanes(make_clip, model, how, modules):
    pytest.importorskip("cv2")
    settings = used(PaperSettings(modules, interval=7, thr_rgfs=1.5), "paper")
    one, many = (
        list(Segmenter(model, mode="flow:dis", settings=settings, lanes=lanes).stream(make_clip(**how)))
        for lanes in (1, 4)
    )
    for a, b in zip(one, many, strict=True):
        assert (a.index, a.origin, a.region) == (b.index, b.origin, b.region)
        assert np.mean(a.labels != b.labels) < 1e-3


def test_flow_does_not_cross_damage(make_clip):
    asked = []

    def flow(now, before):
        asked.append(1)
        return np.zeros((*now.shape[:2], 2), np.float32)

    def frames():
        for frame in Video(make_clip("mpeg4", gop=30)).frames():
            frame.damaged = 5 <= frame.display < 8
            yield frame

    network = Counting()
    found = list(run_endless(frames(), Paper(PaperSettings(("ffw",), interval=30), OpticalFlow(flow, "f")), network))
    assert [a.frame.display for a in found if a.origin == "network"] == [0, 5, 6, 7]
    assert len(asked) == 26
    assert torch.equal(found[8].carried.origin, found[4].carried.origin)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"interval": 2.5}, r"interval 2\.5: must be a whole number"),
        ({"interval": "3"}, "interval '3'"),
        ({"interval": True}, "interval True"),
        ({"alpha": "x"}, r"alpha 'x': must lie in 0\.\.1"),
        ({"thr_rgfs": "5"}, "thr_rgfs '5': must be a number"),
        ({"modules": None}, "modules None: name some of"),
        ({"thr_rgc": 300}, "thr_rgc 300: must be a whole number of grey levels, 0 to 254"),
        ({"thr_rgc": "a"}, "thr_rgc 'a'"),
        ({"region": 32}, "region 32: rows and columns"),
        ({"region": (32.0, 32)}, "rows and columns must be multiples of 16"),
    ],
)
def test_settings_of_a_wrong_type_are_told(wrong, says):
    with pytest.raises(SettingError, match=says):
        PaperSettings(**wrong)


def test_numbers_may_be_numpy_s():
    assert type(PaperSettings(interval=np.int64(5)).interval) is int


def test_modules_may_be_one_text():
    assert PaperSettings("ffw, rgc").modules == ("ffw", "rgc")
