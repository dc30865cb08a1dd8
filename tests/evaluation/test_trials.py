from collections import Counter

import pytest

from taplab.evaluation.trials import Draw, by_phase, stretch, trials


def test_a_clip_that_is_labelled_throughout_is_one_trial_a_phase(bright):
    made = trials(bright(), 12, Draw(phases=3))
    assert [(t.first, t.last, t.first_gop) for t in made] == [(0, 30, 12), (0, 30, 8), (0, 30, 4)]
    assert [t.counted for t in made] == [range(24), range(8, 20), range(4, 28)]  # whole groups of pictures
    assert all(t.throughout for t in made)
    assert by_phase(made) == [[0], [1], [2]]


def test_one_missing_label_changes_nothing_but_what_is_scored(bright):
    (trial,) = trials(bright((0, 1, 2, *range(4, 30))), 12, Draw())
    assert (trial.first, trial.last, trial.throughout) == (0, 30, True)
    assert 3 not in trial.scored


def test_single_labelled_frames_are_drawn_without_a_seed_too(bright):
    clips = bright(tuple(range(20, 2400, 40)), frames=2400)
    distances = [t.scored[0] for t in trials(clips, 12, Draw())]
    assert len(set(distances)) > 6
    assert distances == [t.scored[0] for t in trials(clips, 12, Draw(seed=0))]


def test_every_distance_counts_once_when_all_are_asked_for(bright):
    made = trials(bright((19,)), 12, Draw(phases=12, seed=3))
    assert [t.scored for t in made] == [(d,) for d in range(12)]
    assert all(t.first + t.scored[0] == 19 for t in made)
    assert all(t.last <= 30 and t.whole is (t.first + 12 <= 30) for t in made)


def test_the_next_key_frame_is_there_but_does_not_count(bright):
    trial = trials(bright((19,)), 6, Draw(phases=6))[2]
    assert (trial.first, trial.last, trial.counted, trial.first_gop) == (17, 24, range(6), 6)


def test_drawn_distances_are_uniform_and_repeatable(bright):
    clips = bright(tuple(range(0, 7200, 6)), frames=7200)
    drawn = [t.scored[0] for t in trials(clips, 12, Draw(seed=0)) if t.first + t.scored[0] >= 12]
    assert drawn == [t.scored[0] for t in trials(clips, 12, Draw(seed=0)) if t.first + t.scored[0] >= 12]
    assert drawn != [t.scored[0] for t in trials(clips, 12, Draw(seed=1)) if t.first + t.scored[0] >= 12]
    counts = Counter(drawn)
    assert set(counts) == set(range(12))
    assert all(count == pytest.approx(len(drawn) / 12, rel=0.35) for count in counts.values())


def test_a_labelled_frame_at_the_start_has_no_key_frame_before_the_clip(bright):
    assert {t.first for t in trials(bright((2,)), 12, Draw(phases=12))} == {0, 1, 2}


@pytest.mark.parametrize(("frames", "most", "timed"), [(30, 60, 24), (30, 20, 12), (9, 60, 9)])
def test_speed_is_measured_on_more_than_the_group_around_a_labelled_frame(bright, frames, most, timed):
    (trial,) = trials(bright((5,), frames), 12, Draw(seed=1))
    found = stretch(trial, 12, most)
    assert (found.first, found.last, found.counted, found.whole) == (0, timed, range(timed), timed % 12 == 0)
    (throughout,) = trials(bright(frames=frames), 12, Draw())
    assert stretch(throughout, 12, most) is throughout
