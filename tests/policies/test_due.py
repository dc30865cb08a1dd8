"""Key frames of live when something is asked for: causal, and by the clock where a speed is asked."""

import numpy as np
import pytest

from taplab import PaperSettings, open_video
from taplab.lanes import mark_keys
from taplab.policies import Answer, Dial
from taplab.policies.due import live

FFW = PaperSettings(("ffw",), interval=24)


class Clock:
    """Moves when told."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def drive_policy(policy, frames, network, of_region=None, glance=None):
    """Display positions of the key frames; asserts that every frame is answered before the next is looked at."""
    looked_at, answered, keys = [], [], []

    def watched():
        for frame in mark_keys(frames, policy.interval):
            looked_at.append(frame.index)
            yield frame

    steps = policy.run(watched())
    step = next(steps)
    try:
        while True:
            if isinstance(step, Answer):
                answered.append(step.frame.index)
                assert answered == looked_at
                step = next(steps)
            elif step.region is not None:
                step = steps.send(of_region(step.frame, step.region))
            elif step.carried is not None:
                step = steps.send(glance(step.frame))
            else:
                keys.append(step.frame.display)
                step = steps.send(network(step.frame))
    except StopIteration:
        pass
    assert len(answered) == len(looked_at)
    return keys


@pytest.mark.parametrize("dial", [Dial(quality=0.0), Dial(budget=0.2), Dial(target_fps=25.0)])
@pytest.mark.parametrize("options", [{"bf": "0"}, {"bf": "2"}])
def test_nothing_is_looked_ahead_at(make_clip, model, dial, options):
    policy = live(FFW, dial, Clock())
    frames = open_video(make_clip("h264", gop=30, options=options)).frames()
    keys = drive_policy(policy, frames, lambda frame: model(frame.rgb()[None])[0])
    assert keys[0] == 0
    assert policy.forecast.frames == 30


@pytest.mark.parametrize(("network", "target"), [(0.2, 25), (0.2, 15), (0.05, 60)])
def test_a_speed_is_kept_by_the_clock(make_clip, model, network, target):
    """Decoding that waits costs nothing, what is done with the answers counts."""
    clock, rest, waiting = Clock(), 0.005, 1.0

    def arriving():
        for frame in open_video(make_clip("mpeg4", gop=30)).frames():
            clock.now += waiting
            yield frame
            clock.now += rest

    def run(frame):
        clock.now += network
        return model(frame.rgb()[None])[0]

    keys = drive_policy(live(FFW, Dial(target_fps=target), clock), arriving(), run)
    seconds = clock.now - 30 * waiting - network  # but for the first, before which nothing is known
    assert 29 / seconds == pytest.approx(target, rel=0.2)
    gaps = np.diff(keys)
    assert gaps.mean() == pytest.approx(network / (1 / target - rest), rel=0.35)


def test_a_speed_is_kept_with_regions_too(make_clip, model):
    clock, looked, rest, target = Clock(), [], 0.005, 15

    def arriving():
        for frame in open_video(make_clip("mpeg4", gop=30)).frames():
            yield frame
            clock.now += rest

    def run(frame):
        clock.now += 0.2
        return model(frame.rgb()[None])[0]

    def of_region(frame, region):
        clock.now += 0.05
        looked.append(frame.display)
        return model(frame.rgb()[region.slices][None])[0]

    settings = PaperSettings(("ffw", "rgc"), interval=24)
    keys = drive_policy(live(settings, Dial(target_fps=target), clock), arriving(), run, of_region)
    between = [display for display in looked if display not in keys]
    assert len(looked) == len(between) + 2  # the trial, at the first key frames that have one before them
    assert len(between) >= 3
    assert 29 / (clock.now - 0.2) == pytest.approx(target, rel=0.2)


def test_glances_are_not_taken_for_passes(make_clip, model):
    """They cost the same at every frame: they are of the rest."""
    clock, glances = Clock(), []

    def run(frame, seconds=0.2):
        clock.now += seconds
        return model(frame.rgb()[None])[0]

    def glance(frame):
        glances.append(frame.display)
        return run(frame, 0.01)

    policy = live(FFW, Dial(target_fps=15), clock)
    policy.glances = True
    keys = drive_policy(policy, open_video(make_clip("mpeg4", gop=30)).frames(), run, glance=glance)
    assert sorted([*keys, *glances]) == list(range(30))
    assert policy.pace.network == pytest.approx(0.2)
    assert policy.pace.rest == pytest.approx(0.01, rel=0.5)
    assert 29 / (clock.now - 0.2) == pytest.approx(15, rel=0.2)


def test_a_glance_is_handed_on_from_references_alone(make_clip, model):
    """What is said of the others nobody takes up; they are glanced at when they are answered."""
    clip, glances = make_clip("h264", gop=30, options={"bf": "3", "b_strategy": "0"}), []
    references = {frame.display for frame in open_video(clip).frames() if frame.is_reference}

    def run(frame):
        return model(frame.rgb()[None])[0]

    def glance(frame):
        glances.append(frame.display)
        return run(frame)

    policy = live(FFW, Dial())
    policy.glances = True
    keys = drive_policy(policy, open_video(clip).frames(), run, glance=glance)
    assert {*glances} == references - {*keys}


def test_frames_that_no_other_refers_to_are_never_due(make_clip, model):
    clip = make_clip("h264", gop=30, options={"bf": "3", "b_strategy": "0"})
    references = {frame.display for frame in open_video(clip).frames() if frame.is_reference}
    keys = drive_policy(
        live(FFW, Dial(quality=0.0)), open_video(clip).frames(), lambda frame: model(frame.rgb()[None])[0]
    )
    assert len(keys) > 1
    assert {*keys} <= references
    assert len(references) < 20


def test_the_interval_is_counted_from_the_last_key_frame(make_clip, model):
    policy = live(PaperSettings(("ffw",), interval=7), Dial(quality=100.0))
    keys = drive_policy(
        policy, open_video(make_clip("mpeg4", gop=30)).frames(), lambda frame: model(frame.rgb()[None])[0]
    )
    assert keys == [0, 7, 14, 21, 28]
