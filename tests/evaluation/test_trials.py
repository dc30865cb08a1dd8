from collections import Counter

import pytest

from taplab.evaluation.trials import Draw, by_phase, trials


def test_a_clip_that_is_labelled_throughout_is_one_trial_a_phase(bright):
    made = trials(bright(), 12, Draw(phases=3))
    assert [(t.first, t.last, t.first_gop, t.counted) for t in made] == [
        (0, 30, 12, 30),
        (0, 30, 8, 30),
        (0, 30, 4, 30),
    ]
    assert all(t.is_dense for t in made)
    assert by_phase(made) == [[0], [1], [2]]


def test_every_distance_counts_once_when_all_are_asked_for(bright):
    made = trials(bright((19,)), 12, Draw(phases=12, seed=3))
    assert [t.scored for t in made] == [(d,) for d in range(12)]
    assert all(t.first + t.scored[0] == 19 for t in made)
    assert all(t.last <= 30 and t.counted == min(12, t.last - t.first) for t in made)


def test_the_next_key_frame_is_there_but_does_not_count(bright):
    trial = trials(bright((19,)), 6, Draw(phases=6))[2]
    assert (trial.first, trial.last, trial.counted, trial.first_gop) == (17, 24, 6, 6)


def test_drawn_distances_are_uniform_and_repeatable(bright):
    clips = bright(tuple(range(0, 2400, 2)), frames=2400)
    drawn = [t.scored[0] for t in trials(clips, 12, Draw(seed=0)) if t.first + t.scored[0] >= 12]
    assert drawn == [t.scored[0] for t in trials(clips, 12, Draw(seed=0)) if t.first + t.scored[0] >= 12]
    assert drawn != [t.scored[0] for t in trials(clips, 12, Draw(seed=1)) if t.first + t.scored[0] >= 12]
    counts = Counter(drawn)
    assert set(counts) == set(range(12))
    assert all(count == pytest.approx(len(drawn) / 12, rel=0.35) for count in counts.values())


def test_a_labelled_frame_at_the_start_has_no_key_frame_before_the_clip(bright):
    assert {t.first for t in trials(bright((2,)), 12, Draw(phases=12))} == {0, 1, 2}
