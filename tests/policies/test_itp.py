import numpy as np
import pytest
import torch

from taplab import PaperSettings, Segmenter, SettingError, TorchModel
from taplab.lanes import cut_lanes, run_in_lockstep
from taplab.policies import make_policy
from taplab.video.reader import Video

FFW = PaperSettings(("ffw",))


class Mean(torch.nn.Module):
    """Scores that say how bright the whole picture is."""

    def forward(self, x):
        grey = x.mean((1, 2, 3), keepdim=True).expand(-1, 1, x.shape[2] // 4, x.shape[3] // 4)
        return torch.cat([grey, -grey], 1)


@pytest.fixture(scope="module")
def model():
    return TorchModel(Mean(), classes=("bright", "dark"))


WAYS = [{"codec": "mpeg4", "gop": 12}, {"codec": "h264", "gop": 30, "options": {"bf": "3"}}, {"codec": "hevc"}]


def answers(clip, settings=FFW):
    """By display position; the network says for each key frame which one it is."""

    def network(asks):
        return [torch.full((2, 36, 48), float(ask.frame.display)) for ask in asks]

    policy = make_policy("itp", settings)
    lanes = list(cut_lanes(Video(clip).frames(), policy.interval, borrow=policy.looks_ahead))
    found = list(run_in_lockstep(lanes, policy, network))
    return sorted(found, key=lambda answer: answer.frame.display)


def clip_of(make_clip, how):
    return make_clip(suffix=".mkv" if how["codec"] == "hevc" else ".mp4", **how)


@pytest.mark.parametrize("how", WAYS)
def test_scores_are_linear_in_display_order(make_clip, how):
    found = answers(clip_of(make_clip, how))
    assert [a.frame.display for a in found] == list(range(30))
    last = max(a.frame.display for a in found if a.origin == "network")
    assert last > 20
    for answer in found:  # so the interpolated position is the frame's own, up to the last key frame
        assert torch.allclose(answer.carried.scores, torch.tensor(float(min(answer.frame.display, last))))


def test_origins(make_clip):
    origins = [a.origin for a in answers(make_clip("mpeg4", gop=12))]
    assert origins == ["network", *["fused"] * 11, "network", *["fused"] * 11, "network", *["warped"] * 5]


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("settings", [FFW, PaperSettings(("ffw", "rgfs"), interval=5, thr_rgfs=1.5)])
def test_the_number_of_lanes_changes_nothing(make_clip, model, how, settings):
    runs = []
    for lanes in (1, 5):
        segmentation = Segmenter(model, mode="itp", settings=settings, lanes=lanes).stream(clip_of(make_clip, how))
        results = list(segmentation)
        assert [r.index for r in results] == list(range(30))
        runs.append((results, segmentation.summary()))
    (one, summary), (many, other) = runs
    assert [(r.origin, r.key) for r in one] == [(r.origin, r.key) for r in many]
    assert np.mean([np.mean(a.labels != b.labels) for a, b in zip(one, many, strict=True)]) < 1e-3
    assert summary.network_cost == other.network_cost
    assert summary.mode == "itp"


def test_key_frames_are_those_of_the_paper(make_clip, model):
    for settings in (FFW, PaperSettings(("ffw", "rgfs"), interval=7, thr_rgfs=1.5)):
        keys = {}
        for mode in ("paper", "itp"):
            results = list(Segmenter(model, mode=mode, settings=settings).stream(make_clip("mpeg4")))
            keys[mode] = [r.index for r in results if r.key]
        assert keys["itp"] == keys["paper"]


def test_frames_after_max_frames_are_not_needed(make_clip, model):
    results = list(Segmenter(model, mode="itp", settings=FFW).stream(make_clip("mpeg4"), max_frames=15))
    assert [r.origin for r in results] == ["network", *["fused"] * 11, "network", "warped", "warped"]


def test_there_is_no_rgc():
    with pytest.raises(SettingError, match="itp has no rgc"):
        make_policy("itp", PaperSettings(("ffw", "rgc")))
