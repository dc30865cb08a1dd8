import numpy as np
import pytest

from taplab.modules.chain import past
from taplab.types import Motion, MotionField

SHAPE = (4, 6)


def field(reference, dx, dy, weight=1.0):
    return MotionField(reference, np.full((*SHAPE, 2), (dx, dy), np.float32), np.full(SHAPE, weight, np.float32))


def motion(*fields, coded=True):
    return Motion(fields, np.full(SHAPE, coded))


def test_nothing_gone_nothing_changed():
    one = motion(field(3, 4, 0))
    assert past(one, {1: None, 2: None}) is one


def test_vectors_add_up_where_they_lead():
    rng = np.random.default_rng(1)
    first = MotionField(2, rng.uniform(-20, 20, (*SHAPE, 2)).astype(np.float32), np.ones(SHAPE, np.float32))
    second = MotionField(1, rng.uniform(-20, 20, (*SHAPE, 2)).astype(np.float32), np.ones(SHAPE, np.float32))
    coded = rng.random(SHAPE) < 0.5
    led = past(motion(first), {2: Motion((second,), coded)})
    assert [f.reference for f in led.fields] == [1]
    for i in range(SHAPE[0]):
        for j in range(SHAPE[1]):
            dx, dy = first.vectors[i, j]
            y = min(max(round(i + dy / 8), 0), SHAPE[0] - 1)
            x = min(max(round(j + dx / 8), 0), SHAPE[1] - 1)
            np.testing.assert_allclose(led.fields[0].vectors[i, j], first.vectors[i, j] + second.vectors[y, x])
            assert led.coded[i, j] == coded[y, x]
    assert np.all(led.fields[0].weight == 1)


def test_shares_of_both_ways_add_up():
    """A B-frame between a dropped P-frame and one in hand, both from the same key frame."""
    led = past(motion(field(1, 2, 0, 0.25), field(2, -2, 0, 0.75)), {2: motion(field(1, 6, 0))})
    assert [f.reference for f in led.fields] == [1]
    assert np.all(led.fields[0].weight == 1)
    assert np.all(led.fields[0].vectors == (4, 0))  # of the larger share


def test_at_most_two_references_are_left():
    between = motion(field(1, 1, 0, 0.5), field(2, 1, 0, 0.5))
    led = past(motion(field(3, 0, 0, 0.6), field(4, 0, 0, 0.4)), {4: between})
    assert [f.reference for f in led.fields] == [3, 1]
    np.testing.assert_allclose(led.fields[0].weight, 0.75)
    np.testing.assert_allclose(sum(f.weight for f in led.fields), 1)


@pytest.mark.parametrize(("share", "leads"), [(0.4, False), (0.6, True)])
def test_what_leads_nowhere_goes_with_the_rest_if_that_is_most(share, leads):
    led = past(motion(field(1, 3, 0, share), field(2, 0, 0, 1 - share)), {2: None})
    assert (led is not None) is leads
    if led is not None:
        assert [f.reference for f in led.fields] == [1]
        assert np.all(led.fields[0].weight == 1)
        assert led.coded.all()


def test_blocks_that_lead_nowhere_are_not_coded():
    left = np.zeros(SHAPE, np.float32)
    left[:, :4] = 1
    whole = Motion(
        (MotionField(1, field(1, 3, 0).vectors, left), MotionField(2, field(2, 0, 0).vectors, 1 - left)), left > -1
    )
    led = past(whole, {2: None})
    assert np.array_equal(led.coded, left == 1)
    assert np.all(led.fields[0].weight == 1)
