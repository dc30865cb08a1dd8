"""Simulated frames and times: nobody sleeps."""

import itertools
import math

import numpy as np
import pytest

from taplab.policies.bucket import Bucket, Pace


@pytest.mark.parametrize("budget", [0.05, 0.1, 0.3, 1.0])
def test_never_more_than_the_budget_and_nearly_all_of_it(budget):
    bucket, spent = Bucket(budget), 1
    bucket.spend()  # the first frame has to be
    rng = np.random.default_rng(1)
    for frame in range(1, 600):
        bucket.earn()
        need = float(rng.uniform(1, 2))
        if bucket.grants(need):
            bucket.spend()
            bucket.learn(need)
            spent += 1
        assert spent <= max(budget * (frame + 1), 1) + 1e-9
    assert spent > budget * 600 - 4


def test_passes_are_kept_for_where_they_are_needed():
    """A calm half, then a busy one: the busy one gets more."""
    bucket, spent = Bucket(0.1, depth=4), [0, 0]
    since = 0
    for frame in range(1200):
        bucket.earn()
        since += 1
        busy = frame // 40 % 2
        need = (3.0 if busy else 1.0) * math.sqrt(since)
        if bucket.grants(need):
            bucket.spend()
            bucket.learn(need)
            spent[busy] += 1
            since = 0
    assert spent[1] > 1.5 * spent[0] > 0


def test_the_last_ones_save_nothing():
    bucket = Bucket(0.5, depth=10)
    bucket.learn(100.0)
    bucket.earn(4)
    assert not bucket.grants(1.0)
    assert bucket.grants(1.0, last=True)


@pytest.mark.parametrize("budget", [0.05, 0.1, 0.3])
def test_regions_take_their_share_of_the_budget(budget):
    bucket, cost, keys, regions = Bucket(budget), 0.2, 1, []
    bucket.spend()
    for frame in range(1, 900):
        bucket.earn()
        if bucket.grants(1.0):
            bucket.spend()
            keys += 1
        else:
            bucket.put_by(cost)
            if bucket.spends_on_region(cost):
                regions.append(frame)
        assert keys + cost * len(regions) <= max(budget * (frame + 1), 1) + 1e-9
    between = 900 - keys  # frames that may have one
    assert cost * len(regions) == pytest.approx(0.4 * budget * between, rel=0.1)
    assert keys + cost * len(regions) > budget * 900 - 4


def test_a_region_is_not_paid_for_by_what_is_not_there():
    bucket = Bucket(0.5)
    bucket.spend(3.0)
    for _ in range(9):
        bucket.put_by(0.2)
        assert not bucket.spends_on_region(0.2)
    bucket.earn(8)
    assert bucket.spends_on_region(0.2)
    assert bucket.level == pytest.approx(0.8)
    assert bucket.spends_on_region(0.2)  # two are put by, no more
    assert not bucket.spends_on_region(0.2)


class Machine:
    """Simulated: seconds of a network pass, and of all else for a frame; with noise, and a slow beginning."""

    def __init__(self, network, rest, noise=0.2, seed=0):
        self.network, self.rest, self.noise = network, rest, noise
        self.rng = np.random.default_rng(seed)

    def run(self, pace, frames, interval=24, first=0.0):
        """Seconds of every frame, and whether it was a key frame."""
        seconds, keys, last = [], [], 0
        for k in range(frames):
            key = k == 0 or k - last >= interval or pace.affordable
            last = k if key else last
            factor = 1 + self.noise * self.rng.standard_normal(2)
            network = self.network * abs(factor[0]) + (first if k == 0 else 0.0)
            took = self.rest * abs(factor[1]) + (network if key else 0.0) + (first if k == 0 else 0.0)
            pace.add(took, network if key else None)
            seconds.append(took)
            keys.append(key)
        return np.array(seconds), np.array(keys)


def speed(seconds):
    return len(seconds) / seconds.sum()


@pytest.mark.parametrize(("network", "rest", "target"), [(0.1, 0.01, 25), (0.3, 0.02, 25), (0.05, 0.002, 100)])
def test_the_target_is_reached_and_no_more(network, rest, target):
    pace = Pace(target, lambda: 0.0)
    seconds, keys = Machine(network, rest).run(pace, 900)
    assert speed(seconds[100:]) == pytest.approx(target, rel=0.03)
    assert pace.interval == pytest.approx(network / (1 / target - rest), rel=0.5)
    gaps = np.diff(np.flatnonzero(keys[100:]))
    assert gaps.mean() == pytest.approx(network / (1 / target - rest), rel=0.1)
    assert gaps.max() <= 2 * gaps.mean() + 1  # even load


@pytest.mark.parametrize("target", [15, 25])
def test_the_target_is_reached_with_regions_too(target):
    """They take their share of the time that there is for the network, and come at an even pace."""
    pace, rest, network, region = Pace(target, lambda: 0.0), 0.01, 0.2, 0.05
    pace.add(rest + network + region, network, region)  # the trial
    seconds, looks = [], []
    for _ in range(900):
        key = pace.affordable
        if not key:
            pace.put_by()
        seen = not key and pace.affords_region
        looks.append("key" if key else "region" if seen else "")
        seconds.append(rest + network * key + region * seen)
        pace.add(seconds[-1], network if key else None, region if seen else None)
    assert speed(np.array(seconds)[100:]) == pytest.approx(target, rel=0.03)
    between = 900 - looks.count("key")
    assert looks.count("region") * region == pytest.approx(0.4 * between * (1 / target - rest), rel=0.1)


def test_a_machine_that_is_too_slow_has_no_time_for_regions():
    pace = Pace(25, lambda: 0.0)
    pace.add(0.2, 0.1, 0.04)
    for _ in range(50):
        pace.put_by()
        assert not pace.affords_region
        pace.add(0.06)


def after_frames_without_regions(count):
    """At 25 frames a second; a pass takes 0.1 s, a region 0.01, all else 0.01."""
    pace = Pace(25, lambda: 0.0)
    for _ in range(3):
        pace.add(0.11, 0.1)
        pace.add(0.02, None, 0.01)
    for _ in range(count):
        pace.put_by()
        pace.add(0.01)
    return pace


def test_a_jam_leaves_no_time_for_regions():
    pace = after_frames_without_regions(9)
    assert pace.affords_region
    pace.add(60.0)
    pace.put_by()
    assert not pace.affords_region


def test_no_more_than_two_regions_are_put_by():
    pace, seen = after_frames_without_regions(200), 0
    while pace.affords_region and seen < 9:
        pace.add(0.02, None, 0.01)
        seen += 1
    assert seen == 2


def test_compiling_at_the_start_is_forgotten_soon():
    pace = Pace(25, lambda: 0.0)
    seconds, _ = Machine(0.1, 0.01).run(pace, 400, first=5.0)
    assert speed(seconds[50:]) == pytest.approx(25, rel=0.05)


def test_another_load_is_followed():
    pace = Pace(25, lambda: 0.0)
    machine = Machine(0.1, 0.01)
    before = machine.run(pace, 300)[1][100:].mean()
    machine.network = 0.3
    seconds, keys = machine.run(pace, 500)
    assert speed(seconds[100:]) == pytest.approx(25, rel=0.05)
    assert keys[100:].mean() == pytest.approx(before / 3, rel=0.3)


def test_a_machine_that_is_too_slow_runs_the_network_at_the_interval_only():
    pace = Pace(25, lambda: 0.0)
    _, keys = Machine(0.1, 0.06).run(pace, 500, interval=20)
    assert np.diff(np.flatnonzero(keys))[2:].min() == 20
    assert pace.interval == math.inf


def test_a_machine_that_is_fast_enough_runs_it_on_every_frame():
    _, keys = Machine(0.01, 0.01).run(Pace(25, lambda: 0.0), 100)
    assert keys.all()


def test_a_jam_is_not_made_up_for_long_after():
    pace = Pace(25, lambda: 0.0)
    machine = Machine(0.1, 0.01, noise=0)
    machine.run(pace, 200)
    pace.add(60.0)  # the machine slept
    _, keys = machine.run(pace, 200, interval=1000)
    until = [sum(1 for _ in run) for key, run in itertools.groupby(keys[1:]) if not key]
    assert until[0] < 20
    assert speed(machine.run(pace, 300)[0]) == pytest.approx(25, rel=0.03)
