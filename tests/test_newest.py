import numpy as np
import pytest

from taplab import PaperSettings
from taplab.lanes import run_endless
from taplab.newest import Newest
from taplab.policies import Paper
from taplab.video.planes import luma_plane
from taplab.video.reader import Video
from taplab.video.residual import measure_residual

P_FRAMES = {"codec": "h264", "gop": 30, "options": {"bf": "0", "refs": "2"}}
B_FRAMES = {"codec": "h264", "gop": 30, "options": {"bf": "2", "b-pyramid": "none"}}
PYRAMID = {"codec": "h264", "gop": 30, "options": {"bf": "3", "b-pyramid": "normal"}}
CLIPS = [{"codec": "mpeg4", "gop": 30}, P_FRAMES, B_FRAMES, PYRAMID]


def through(frames, most, burst):
    """The frames that come out where ``burst`` are put in for each that is taken out."""
    newest, out = Newest(most), []
    for given, frame in enumerate(frames, 1):
        newest.put(frame)
        if given % burst == 0:
            out.append(newest.get())
    while not newest.empty():
        out.append(newest.get())
    return out, newest


def references(frame):
    return [] if frame.motion is None else [field.reference for field in frame.motion.fields]


@pytest.mark.parametrize("how", CLIPS)
def test_nothing_changes_where_the_taker_keeps_up(make_clip, how):
    plain = list(Video(make_clip(**how)).frames())
    frames, newest = through(Video(make_clip(**how)).frames(), 12, 1)
    assert newest.dropped == 0
    for one, other in zip(plain, frames, strict=True):
        assert (one.index, one.display, references(one)) == (other.index, other.display, references(other))


@pytest.mark.parametrize("how", CLIPS)
@pytest.mark.parametrize(("most", "burst"), [(1, 2), (3, 4), (12, 3)])
def test_the_numbering_has_no_gaps_and_all_are_accounted_for(make_clip, how, most, burst):
    frames, newest = through(Video(make_clip(**how)).frames(), most, burst)
    assert newest.dropped > 0
    assert len(frames) + newest.dropped == 30
    assert sorted(f.display for f in frames) == list(range(len(frames)))
    by_time = sorted(frames, key=lambda f: f.pts)
    assert [f.display for f in by_time] == list(range(len(frames)))
    assert [f.index for f in frames] == sorted(f.index for f in frames)


@pytest.mark.parametrize("how", CLIPS)
@pytest.mark.parametrize(("most", "burst"), [(1, 2), (3, 4)])
def test_motion_leads_to_frames_that_came_out(make_clip, how, most, burst):
    frames, _ = through(Video(make_clip(**how)).frames(), most, burst)
    seen, moved = {}, 0
    for frame in frames:
        if frame.motion is not None:
            assert {f.reference for f in frame.motion.fields} <= set(seen)
            np.testing.assert_allclose(sum(f.weight for f in frame.motion.fields), 1, rtol=1e-5)
            assert len(frame.motion.fields) <= 2
            moved += 1
        seen[frame.index] = frame
    assert moved >= len(frames) - 2  # all but those that begin a GOP, or follow one that was dropped


@pytest.mark.parametrize("how", CLIPS)
def test_the_residual_is_that_of_the_motion_past_dropped_frames(make_clip, how):
    """Measured against the picture that the motion leads to, and less than if nothing had moved."""
    frames, _ = through(Video(make_clip(**how)).frames(), 1, 3)
    seen, ratios = {}, []
    for frame in frames:
        seen[frame.index] = luma = luma_plane(frame.picture)
        if frame.motion is None:
            continue
        lumas = tuple(seen[field.reference] for field in frame.motion.fields)
        assert frame.residual.score == measure_residual(luma, lumas, frame.motion, 30).score
        if frame.index - frame.motion.fields[0].reference > 2:
            ratios.append(frame.residual.score / np.abs(luma.astype(int) - lumas[0]).mean())
    assert len(ratios) >= 4
    assert np.median(ratios) < 0.85


def test_frames_that_no_other_refers_to_go_first(make_clip):
    plain = {f.index: f.is_reference for f in Video(make_clip(**B_FRAMES)).frames()}
    frames, newest = through(Video(make_clip(**B_FRAMES)).frames(), 12, 2)
    kept = {f.index for f in frames}
    dropped = [plain[index] for index in plain if index not in kept]
    assert len(dropped) == newest.dropped > 0
    assert not any(dropped)


def test_what_is_dropped_lets_go_of_its_picture(make_clip):
    """Memory: the queue and a few references, whatever came."""
    newest = Newest(2)
    for frame in Video(make_clip("mpeg4", gop=30)).frames():
        newest.put(frame)
    assert newest.qsize() == 2
    assert len(newest._gone) <= 5
    assert len(newest._pictures) == 0


def labels_of(frames, model):
    """By time stamp: how mode paper came to the labels of each frame, and how they agree with the network's own."""

    def passes(asks):
        return [model(ask.frame.rgb()[None])[0] for ask in asks]

    agreement = {}
    for answer in run_endless(frames, Paper(PaperSettings(("ffw",), interval=100)), passes):
        truth = model(answer.frame.rgb()[None])[0].argmax(0)
        agreement[answer.frame.pts] = answer.origin, float((answer.carried.scores.argmax(0) == truth).float().mean())
    return agreement


@pytest.mark.parametrize("how", CLIPS)
def test_warping_past_dropped_frames_is_as_right_as_through_them(make_clip, model, how):
    frames, newest = through(Video(make_clip(**how)).frames(), 1, 3)
    assert newest.dropped == 20
    few, all_of_them = labels_of(frames, model), labels_of(Video(make_clip(**how)).frames(), model)
    warped = [pts for pts, (origin, _) in few.items() if origin == "warped"]
    assert len(warped) == 9  # all but the first one
    assert np.mean([few[pts][1] - all_of_them[pts][1] for pts in warped]) > -0.005
    assert min(few[pts][1] for pts in warped) > 0.78


def test_other_things_pass_through():
    newest = Newest(1)
    for item in ("a", None):
        newest.put(item)
    assert [newest.get(), newest.get()] == ["a", None]
