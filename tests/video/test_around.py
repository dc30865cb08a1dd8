import numpy as np
import pytest

from taplab.types import Motion, MotionField
from taplab.video.around import FAST, MANY_INTRA, is_fast, refined, with_intra_estimated
from taplab.video.references import Reference

RNG = np.random.default_rng(0)
SMOOTH = RNG.integers(0, 256, (24, 32)).repeat(8, 0).repeat(8, 1).astype(np.uint8)  # 192x256
MOVED = np.roll(SMOOTH, (0, 6), (0, 1))  # by 6 pixels to the right: blocks come from 6 pixels to the left
SHAPE = 24, 32


def reference(index, luma):
    return Reference(luma, index, index, None, 0)


def motion(intra, *, fields=1, origin="codec"):
    """Zero vectors; the first ``intra`` columns of blocks have none."""
    coded = np.ones(SHAPE, np.bool_)
    coded[:, :intra] = False
    weights = [np.full(SHAPE, 1 / fields, np.float32) for _ in range(fields)]
    made = (MotionField(k, np.zeros((*SHAPE, 2), np.float32), w) for k, w in enumerate(weights))
    return Motion(tuple(made), coded, origin)


@pytest.mark.parametrize("fields", [1, 2])
def test_many_intra_blocks_are_searched_for(fields):
    before = motion(12, fields=fields)
    found = with_intra_estimated(before, reference(9, MOVED), [reference(0, SMOOTH), reference(1, SMOOTH)])
    assert np.array_equal(found.coded, before.coded)
    first = found.fields[0]
    assert (first.vectors[:, 12:] == 0).all()
    inner = first.vectors[2:-2, 2:10]
    assert np.median(inner[..., 0]) == pytest.approx(-6, abs=0.5)
    assert (first.weight[:, :12] == 1).all()
    for field in found.fields[1:]:
        assert (field.weight[:, :12] == 0).all()
    assert np.allclose(sum(f.weight for f in found.fields), 1)


def test_few_are_left_and_so_is_what_was_estimated():
    few = motion(int(MANY_INTRA * 32) - 1)
    assert with_intra_estimated(few, reference(9, MOVED), [reference(0, SMOOTH)]) is few
    own = motion(20, origin="estimated")
    assert with_intra_estimated(own, reference(9, MOVED), [reference(0, SMOOTH)]) is own


@pytest.mark.parametrize("fields", [1, 2])
def test_motion_is_fast_by_its_mean_length(fields):
    slow = motion(0, fields=fields)
    assert not is_fast(slow)
    for field in slow.fields:
        field.vectors[:, :16] = 0, 2.1 * FAST * 192  # half of the blocks
    assert is_fast(slow)
    for field in slow.fields:
        field.vectors[:, :16] = 0, 1.9 * FAST * 192
    assert not is_fast(slow)


def test_refined_motion_is_found_from_the_codecs_and_keeps_its_references():
    before = motion(4, fields=2)
    found = refined(before, reference(9, MOVED), [reference(0, SMOOTH), reference(1, MOVED)])
    assert found.origin == "refined"
    assert np.array_equal(found.coded, before.coded)
    moved, still = (field.vectors[2:-2, 2:-2] for field in found.fields)
    assert np.median(moved[..., 0]) == pytest.approx(-6, abs=0.5)
    assert (still == 0).all()
    for field, own in zip(found.fields, before.fields, strict=True):
        assert field.weight is own.weight
        assert field.reference == own.reference
