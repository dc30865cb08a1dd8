"""Where offline puts key frames when something is asked for: real clips, and networks that are counted."""

import itertools

import numpy as np
import pytest
from PIL import Image

from taplab import PaperSettings, Segmenter
from taplab.data.synthetic import SyntheticDrive
from taplab.policies import Ask, Dial, make_policy
from taplab.video.encode import encode_clip

WAYS = [
    {"codec": "mpeg4", "gop": 12},
    {"codec": "h264", "gop": 250},
    {"codec": "h264", "gop": 250, "options": {"bf": "3"}},
    {"codec": "mpeg4", "gop": 30, "options": {"bf": "2"}},
    {"codec": "hevc", "suffix": ".mkv"},
]
STRICT, LOOSE = 0.0, 6.0  # points of mIoU


@pytest.fixture(scope="module")
def drives(tmp_path_factory):
    """Two clips of the same street, driven slowly and fast."""
    folder, made = tmp_path_factory.mktemp("drives"), {}
    for speed in ("slow", "fast"):
        frames = [rgb for rgb, _ in SyntheticDrive(144, 192, 49, seed=101, speed=speed)]
        made[speed] = encode_clip(folder / f"{speed}.mkv", frames, codec="h264", gop=250)
    return made


def run(clip, model, **how):
    segmentation = Segmenter(model, **how).stream(clip)
    return list(segmentation), segmentation.summary()


def keys(results):
    return [result.index for result in results if result.key]


@pytest.mark.parametrize("mode", ["offline", "live"])
def test_the_interval_follows_the_motion(drives, model, mode):
    costs = {}
    for speed, quality in itertools.product(drives, (STRICT, LOOSE)):
        results, summary = run(drives[speed], model, mode=mode, quality=quality)
        costs[speed, quality] = summary.network_cost
        assert [r.index for r in results] == list(range(49))
        assert summary.asked == {"quality": quality}
        assert summary.predicted_loss <= quality + 0.3  # that of single stretches is what is kept to
    assert costs["fast", STRICT] > costs["fast", LOOSE]
    assert costs["fast", STRICT] > 1.3 * costs["slow", STRICT]
    assert costs["slow", LOOSE] <= costs["fast", LOOSE]


@pytest.mark.parametrize("mode", ["offline", "live"])
@pytest.mark.parametrize("budget", [0.05, 0.1, 0.2, 0.5, 1.0])
def test_budgets_are_kept_and_used(drives, model, mode, budget):
    for clip in drives.values():
        results, summary = run(clip, model, mode=mode, budget=budget)
        assert summary.network_cost <= budget
        assert len(keys(results)) >= budget * 49 - (3 if budget < 1 else 6)
        assert summary.asked == {"budget": budget}


@pytest.mark.parametrize("mode", ["offline", "live"])
def test_a_clip_that_is_cut_short_costs_no_more(make_clip, model, mode):
    """Frames that are only there because others are predicted from them cost, too."""
    clip = make_clip("h264", gop=30, options={"bf": "3", "b_strategy": "0"})
    for frames in range(10, 30):
        segmentation = Segmenter(model, mode=mode, budget=0.25).stream(clip, max_frames=frames)
        assert len(list(segmentation)) == frames
        assert segmentation.summary().network_cost <= 0.25


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("mode", ["offline", "live"])
def test_i_frames_and_streams_without_vectors_cost_no_more(make_clip, model, mode, how):
    clip = make_clip(**how)
    truth = [r.labels for r in run(clip, model, mode="per-frame")[0]]
    results, summary = run(clip, model, mode=mode, budget=0.1)
    assert summary.network_cost <= 0.1
    assert [r.index for r in results] == list(range(30))
    assert np.mean([np.mean(r.labels == truth[r.index]) for r in results]) > 0.85


@pytest.mark.parametrize("mode", ["offline", "live"])
def test_folders_of_images_are_followed_too(drive, model, mode, tmp_path):
    for i in range(30):
        Image.fromarray(drive[i][0]).save(tmp_path / f"{i:03d}.png")
    truth = [r.labels for r in run(tmp_path, model, mode="per-frame")[0]]
    results, summary = run(tmp_path, model, mode=mode, budget=0.2)
    assert summary.network_cost <= 0.2
    assert summary.motion == {"none": 1, "estimated": 29}
    assert np.mean([np.mean(r.labels == truth[r.index]) for r in results]) > 0.85


@pytest.mark.parametrize("asked", [{"budget": 0.2}, {"quality": STRICT}])
@pytest.mark.parametrize("how", WAYS[1:3])
def test_the_number_of_lanes_changes_nothing(make_clip, model, asked, how):
    settings = PaperSettings(("ffw",), interval=8)
    one, summary = run(make_clip(**how), model, settings=settings, lanes=1, **asked)
    many, other = run(make_clip(**how), model, settings=settings, lanes=5, **asked)
    assert keys(one) == keys(many)
    assert summary.predicted_loss == other.predicted_loss
    for a, b in zip(one, many, strict=True):
        assert np.mean(a.labels != b.labels) < 1e-3


def test_a_segmenter_counts_every_stream_anew(drives, model):
    segmenter = Segmenter(model, budget=0.1)
    first, second = (keys(segmenter.stream(drives["fast"])) for _ in range(2))
    assert first == second


def test_key_frames_stand_where_it_moves(model, tmp_path):
    """The first half stands still, the second is fast: the budget goes there."""
    drive = SyntheticDrive(144, 192, 36, seed=101, speed="fast")
    frames = [drive[0][0]] * 36 + [drive[i][0] for i in range(36)]
    clip = encode_clip(tmp_path / "stop.mkv", frames, codec="h264", gop=250)
    for mode, most in (("offline", 2), ("live", 4)):
        results, _ = run(clip, model, mode=mode, quality=STRICT)
        still, moving = (sum(first <= k < first + 36 for k in keys(results)) for first in (0, 36))
        assert still <= most < moving


def test_a_cut_gets_a_key_frame(model, tmp_path):
    """Also with a GOP so long that no I-frame is there."""
    frames = [SyntheticDrive(144, 192, 20, seed=seed)[i][0] for seed in (1, 2) for i in range(20)]
    clip = encode_clip(tmp_path / "cut.mkv", frames, codec="mpeg4", gop=250)
    results, _ = run(clip, model, mode="live", quality=2.0)
    assert 20 in keys(results)
    results, _ = run(clip, model, mode="offline", quality=2.0)
    assert any(18 <= k <= 22 for k in keys(results))


def test_key_frames_are_known_before_the_network_runs(drives, model):
    """All requests of a lane come before its first answer, and do not depend on what the network says."""
    from taplab import open_video
    from taplab.lanes import cut_lanes

    asked = {}
    for scale in (1, -1):
        policy = make_policy("offline", PaperSettings(("ffw",), interval=24), dial=Dial(quality=STRICT))
        lane = next(iter(cut_lanes(open_video(drives["fast"]).frames(), 24, borrow=True)))
        steps, asks = policy.run(lane.frames), []
        step = next(steps)
        while isinstance(step, Ask):
            asks.append(step.frame.index)
            step = steps.send(scale * model(step.frame.rgb()[None])[0])
        asked[scale] = asks
    assert asked[1] == asked[-1]
    assert len(asked[1]) > 2


@pytest.mark.parametrize("mode", ["offline", "live"])
def test_without_a_dial_the_loss_is_predicted_all_the_same(drives, model, mode):
    loss = {}
    for speed, interval in itertools.product(drives, (4, 24)):
        results, summary = run(drives[speed], model, mode=mode, settings=PaperSettings(("ffw",), interval=interval))
        loss[speed, interval] = summary.predicted_loss
        assert keys(results) == list(range(0, 49, interval))
        assert summary.asked == {}
    assert loss["fast", 24] > loss["fast", 4]
    assert loss["fast", 24] > loss["slow", 24]


@pytest.mark.parametrize("mode", ["paper", "per-frame"])
def test_what_is_not_predicted_is_null(drives, model, mode):
    assert run(drives["slow"], model, mode=mode)[1].predicted_loss is None


def test_damage_is_seen_by_the_network_whatever_is_asked(shared, model):
    clip = shared / "clips" / "BA_MW_D_P_LOST.264"
    for mode in ("live", "offline"):
        results, _ = run(clip, model, mode=mode, quality=50)
        damaged = [r for r in results if r.damaged]
        assert damaged
        assert all(r.origin == "network" for r in damaged)
