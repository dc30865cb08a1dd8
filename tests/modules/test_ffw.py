import numpy as np
import pytest
import torch

from taplab.modules.ffw import Carried, compose, propagate, warp
from taplab.types import Motion, MotionField


def uniform(dx, dy, rows, cols, reference=0, weight=1.0):
    vectors = np.full((rows, cols, 2), (dx, dy), np.float32)
    return MotionField(reference, vectors, np.full((rows, cols), weight, np.float32))


def motion(*fields):
    return Motion(fields, np.ones(fields[0].weight.shape, bool))


def test_warp_follows_eq_1():
    """F_t[p] = F_{t-1}[p - Mv], the displacement being -Mv: the content moved right by 3 cells and down by 1."""
    scores = torch.randn(4, 12, 20)
    out = warp(scores, np.full((12, 20, 2), (-3, -1), np.float32))
    assert torch.allclose(out[:, 1:, 3:], scores[:, :-1, :-3], atol=1e-5)


def test_no_motion_changes_nothing():
    scores = torch.randn(3, 9, 7)
    assert torch.allclose(warp(scores, np.zeros((9, 7, 2), np.float32)), scores, atol=1e-5)


def test_half_a_cell_is_the_mean_of_two():
    scores = torch.randn(2, 5, 8)
    out = warp(scores, np.full((5, 8, 2), (0.5, 0), np.float32))
    assert torch.allclose(out[:, :, :-1], (scores[:, :, :-1] + scores[:, :, 1:]) / 2, atol=1e-5)


def test_borders_replicate_and_no_class_is_invented():
    scores = torch.zeros(3, 6, 6)
    scores[2] = -5.0  # zero padding would make all classes tie outside
    scores[1] = 2.0
    out = warp(scores, np.full((6, 6, 2), (40, -40), np.float32))
    assert torch.allclose(out, scores)


def test_pixels_become_cells_at_the_map_s_own_scale():
    field = uniform(8, -4, 8, 16)
    cells = compose(field.vectors, None, (16, 32), (64, 128))
    assert np.allclose(cells, (2, -1))
    assert np.allclose(compose(field.vectors, None, (64, 64), (64, 128)), (4, -4))  # scales differ by axis


def test_composition_adds_the_motion_of_the_reference_where_it_comes_from():
    before = np.zeros((8, 8, 2), np.float32)
    before[:, 4:] = (1, 0)  # the right half had moved
    out = compose(uniform(16, 0, 4, 4).vectors, before, (8, 8), (32, 32))  # four cells to the right
    assert np.allclose(out[:, :4], (5, 0))
    assert np.allclose(out[:, 4:], (5, 0))  # beyond the border its last column counts
    back = compose(uniform(-16, 0, 4, 4).vectors, before, (8, 8), (32, 32))
    assert np.allclose(back[:, 4:], (-4, 0))


def test_composed_motion_is_sampled_once():
    """Twelve steps of a third of a cell: sampling once stays sharp, warping twelve times blurs."""
    scores = torch.zeros(1, 8, 64)
    scores[:, :, 20:28] = 1
    field = uniform(4 / 3, 0, 4, 32)
    carried, blurred = Carried(scores), scores
    for t in range(12):
        carried = propagate(motion(field), {0: carried}, (32, 256))
        blurred = warp(blurred, compose(field.vectors, None, (8, 64), (32, 256)))
        assert carried.origin is scores, t
    expected = torch.zeros(1, 8, 64)
    expected[:, :, 16:24] = 1
    assert (carried.scores - expected).abs().max() < 0.02
    assert (blurred - expected).abs().max() > 0.2


def test_two_references_are_mixed_by_weight():
    past, future = torch.zeros(2, 4, 4), torch.ones(2, 4, 4)
    both = motion(uniform(0, 0, 2, 2, 1, 0.25), uniform(0, 0, 2, 2, 2, 0.75))
    mixed = propagate(both, {1: Carried(past), 2: Carried(future)}, (16, 16))
    assert torch.allclose(mixed.scores, torch.full((2, 4, 4), 0.75))


def test_references_in_hand_share_what_came_from_another():
    """Of three fields one's reference is not in hand; no class is invented, no score shrinks."""
    weights = np.zeros((3, 4, 4), np.float32)
    weights[0, :2], weights[1, 2], weights[2, 3] = 1, 1, 1
    weights[:, 1] = ((0.5,), (0,), (0.5,))
    three = motion(*(MotionField(k, np.zeros((4, 4, 2), np.float32), w) for k, w in enumerate(weights)))
    scores = torch.tensor([-5.0, 5.0])[:, None, None].expand(2, 8, 8)
    kept = propagate(three, {0: Carried(scores), 1: Carried(3 * scores)}, (32, 32))
    rows = torch.tensor([5.0, 5, 5, 5, 15, 15, 10, 10])  # only the first, the first, only the second, both
    assert torch.allclose(kept.scores[1], rows[:, None].expand(8, 8))
    assert torch.allclose(kept.scores[0], -kept.scores[1])


@pytest.mark.parametrize("known", [{}, {1: (2, 4, 4)}, {1: (2, 4, 4), 2: (2, 5, 4)}])
def test_nothing_is_warped_from_what_is_not_in_hand(known):
    both = motion(uniform(0, 0, 2, 2, 1, 0.5), uniform(0, 0, 2, 2, 2, 0.5))
    assert propagate(both, {k: Carried(torch.zeros(shape)) for k, shape in known.items()}, (16, 16)) is None


def test_half_precision_scores_stay_half():
    scores = torch.randn(2, 4, 4).bfloat16()
    assert warp(scores, np.zeros((4, 4, 2), np.float32)).dtype == torch.bfloat16
