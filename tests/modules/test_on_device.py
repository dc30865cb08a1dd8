"""Against the compiled kernels, on CPU tensors."""

import numpy as np
import pytest
import torch

from taplab.modules import cells, gathering, matching, on_device
from taplab.types import IGNORE

CELLS = (20, 30)


def smooth(channels, seed, low=0.0, high=255.0):
    """Maps that change slowly, ``[h, w, channels]``."""
    small = torch.from_numpy(np.random.default_rng(seed).uniform(low, high, (1, channels, 6, 8))).float()
    large = torch.nn.functional.interpolate(small, CELLS, mode="bicubic")[0]
    return np.ascontiguousarray(large.permute(1, 2, 0).numpy())


def raw(classes, seed):
    """Scores of the network, ``[C, h, w]``."""
    return torch.from_numpy(smooth(classes, seed, -3, 3)).permute(2, 0, 1)


def coloured(seed):
    """A picture, with its empty fourth channel."""
    return np.pad(smooth(3, seed), ((0, 0), (0, 0), (0, 1)))


@pytest.fixture
def picture():
    return coloured(0)


@pytest.fixture
def scores():
    return cells.padded(raw(4, 1).softmax(0))


@pytest.fixture
def way():
    return np.random.default_rng(2).uniform(-4, 4, (*CELLS, 2)).astype(np.float32)


@pytest.fixture
def active():
    return np.random.default_rng(3).uniform(size=CELLS) < 0.6


def first(array):
    """Channels first."""
    return torch.from_numpy(array).permute(2, 0, 1).contiguous()


def test_gathering_is_that_of_the_kernel(picture, scores, way, active):
    now = picture + 2
    region = scores.copy()
    region[:, :15] = 0
    sides = [(scores, picture, way, 0.7), (region, coloured(5), -way, 0.4)]
    wanted = gathering.gather(now, sides, 4, active, np.ones(CELLS, np.bool_))
    there = [(first(s)[:5], first(p)[:3], first(w), share) for s, p, w, share in sides]
    found, match = on_device.gather(first(now)[:3], there, torch.from_numpy(active))
    difference = np.abs(found.permute(1, 2, 0).numpy() - wanted.scores[..., :5])
    assert difference.max() < 0.02  # the kernel has its weights from a table
    assert difference.mean() < 0.002
    assert np.abs(match.numpy() - wanted.match).mean() < 0.01


def test_calm_and_settled_cells_are_those_of_the_kernel(picture, way):
    best = raw(3, 1).argmax(0).to(torch.uint8)
    whole = cells.calm(best.numpy())
    best[:4, :4] = cells.ABSENT
    partly = cells.calm(best.numpy())
    assert len(np.unique(partly)) > 3
    np.testing.assert_array_equal(on_device.calm(best.long()), partly)
    now = picture + np.random.default_rng(4).uniform(-9, 9, picture.shape).astype(np.float32)
    sides = [(whole, picture, way / 4), (partly, picture, np.zeros_like(way))]
    wanted = cells.settled(now, sides)
    there = [(torch.from_numpy(c).long(), first(p)[:3], first(w)) for c, p, w in sides]
    found = on_device.settled(first(now)[:3], there)
    assert 0.1 < (wanted == IGNORE).mean() < 0.95
    assert np.mean(found.numpy() != wanted) < 0.005  # colours just at the threshold


def test_refined_displacements_match_as_well_as_the_kernel_s(picture, active):
    displacement = np.full((*CELLS, 2), (2.0, -1.0), np.float32)
    rows, columns = np.indices(CELLS)
    now = picture[np.clip(rows - 1, 0, 19), np.clip(columns + 2, 0, 29)]
    wrong = displacement.copy()
    wrong[5:14, 8:20] = 0
    for mask in (np.ones(CELLS, np.bool_), active):
        found = on_device.refine(first(now)[:3], first(picture)[:3], first(wrong), torch.from_numpy(mask))
        found = found.permute(1, 2, 0).numpy()
        np.testing.assert_array_equal(found[~mask], wrong[~mask])
        kernel = matching.refine(now, picture, wrong, mask, enough=0)
        inner = mask & (rows > 2) & (rows < 17) & (columns > 2) & (columns < 27)
        assert np.abs(found - displacement)[inner].mean() <= np.abs(kernel - displacement)[inner].mean() + 0.05
