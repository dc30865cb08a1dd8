import pytest
import torch

from taplab.errors import SettingError
from taplab.lanes import run_endless
from taplab.policies import Paper, PaperSettings, PerFrame, make_policy
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


def test_frames_without_motion_are_given_to_the_network(make_clip):
    answers, asked = run(make_clip("mpeg4", ".avi", options={"bf": "2"}), Paper(PaperSettings(("ffw",))))
    assert len(asked) > 15
    assert all(a.origin == "network" for a in answers if a.frame.kind == "B")


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
