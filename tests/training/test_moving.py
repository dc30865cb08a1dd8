import numpy as np
import pytest
import torch

from taplab.training.moving import moving_still, noisy


@pytest.fixture
def still():
    """Sky above, road below, and a car; every class has its own colour."""
    labels = torch.zeros(96, 128, dtype=torch.uint8)
    labels[48:] = 1
    labels[40:64, 50:80] = 2
    image = torch.stack([labels * 100, 255 - labels * 100, torch.full_like(labels, 40)])
    return image, labels


def clip(still, seed, donors=(), frames=5):
    return list(moving_still(still, donors, [2], frames, np.random.default_rng(seed)))


def test_labels_go_with_the_picture(still):
    for seed in range(6):
        for rgb, labels in clip(still, seed, [still]):
            assert rgb.shape == (96, 128, 3)
            assert rgb.dtype == labels.dtype == np.uint8
            sure = (labels < 3) & (rgb[..., 0] % 100 == 0)  # away from blended edges
            assert sure.mean() > 0.5
            assert (rgb[..., 0][sure] // 100 == labels[sure]).mean() > 0.99


def test_is_a_function_of_the_seed(still):
    one, two, other = clip(still, 3, [still]), clip(still, 3, [still]), clip(still, 4, [still])
    assert all(np.array_equal(a, b) for x, y in zip(one, two, strict=True) for a, b in zip(x, y, strict=True))
    assert not all(np.array_equal(x[0], y[0]) for x, y in zip(one, other, strict=True))


def test_moves_from_frame_to_frame_and_more_over_more_frames(still):
    for seed in range(4):
        frames = [rgb.astype(int) for rgb, _ in clip(still, seed, frames=13)]
        near, far = np.abs(frames[1] - frames[0]).mean(), np.abs(frames[12] - frames[0]).mean()
        assert 0 < near < far


def test_pasted_objects_come_from_donors_and_move_on_their_own(still):
    bare = still[0].clone(), torch.ones_like(still[1])
    bare[0][:] = 7
    plain, pasted = clip(bare, 1), clip(bare, 1, [still])
    assert all((labels != 2).all() for _, labels in plain)
    assert all((labels == 2).sum() > 50 for _, labels in pasted)


def test_what_the_still_does_not_reach_has_no_label(still):
    beyond = [(labels == 255).any() for seed in range(30) for _, labels in clip(still, seed, frames=13)]
    assert any(beyond)


def test_noise_is_of_the_strength_asked_for(still):
    frames = np.full((3, 20, 20, 3), 100, np.uint8)
    assert np.abs(noisy(frames, np.random.default_rng(0), 3.0).astype(int) - 100).max() in range(1, 20)
    assert np.array_equal(noisy(frames, np.random.default_rng(0), 0.0), frames)
