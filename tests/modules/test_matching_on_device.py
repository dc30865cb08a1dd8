"""Against the kernels of ``matching``, on CPU tensors."""

import av
import numpy as np
import pytest
import torch

from taplab.modules import matching, matching_on_device

CELLS = (20, 30)


def smooth(channels, seed, low=0.0, high=255.0):
    """Maps that change slowly, ``[h, w, channels]``."""
    small = torch.from_numpy(np.random.default_rng(seed).uniform(low, high, (1, channels, 6, 8))).float()
    large = torch.nn.functional.interpolate(small, CELLS, mode="bicubic")[0]
    return np.ascontiguousarray(large.permute(1, 2, 0).numpy())


@pytest.fixture
def picture():
    return smooth(3, 0)


@pytest.fixture
def scores():
    return matching.present(torch.from_numpy(smooth(4, 1, -3, 3)).permute(2, 0, 1))


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
    sides = [(scores, picture, way, 0.7), (region, smooth(3, 5), -way, 0.4)]
    wanted, wanted_match = matching.gather(now, sides, active)
    on_device = [(first(s), first(p), first(w), share) for s, p, w, share in sides]
    found, match = matching_on_device.gather(first(now), on_device, torch.from_numpy(active))
    np.testing.assert_allclose(found.permute(1, 2, 0), wanted, atol=0.02)  # the kernel has its weights from a table
    assert np.abs(found.permute(1, 2, 0).numpy() - wanted).mean() < 0.002
    assert np.abs(match.numpy() - wanted_match).mean() < 0.01


def test_calm_and_settled_cells_are_those_of_the_kernel(picture, way):
    scores = matching.present(torch.from_numpy(smooth(3, 1, -3, 3)).permute(2, 0, 1))
    whole = matching.calm(scores)
    scores[:4, :4] = 0
    calm = matching.calm(scores)
    assert len(np.unique(calm)) > 3
    np.testing.assert_array_equal(matching_on_device.calm(first(scores)), calm)
    now = picture + np.random.default_rng(4).uniform(-9, 9, picture.shape).astype(np.float32)
    sides = [(whole, picture, way / 4), (calm, picture, np.zeros_like(way))]
    wanted = matching.unsettled(now, sides)
    found = matching_on_device.unsettled(first(now), [(torch.from_numpy(c), first(p), first(w)) for c, p, w in sides])
    assert 0.1 < wanted.mean() < 0.95
    assert np.mean(found.numpy() != wanted) < 0.005  # colours just at the threshold


def test_refined_displacements_match_as_well_as_the_kernel_s(picture, active):
    displacement = np.full((*CELLS, 2), (2.0, -1.0), np.float32)
    rows, columns = np.indices(CELLS)
    now = picture[np.clip(rows - 1, 0, 19), np.clip(columns + 2, 0, 29)]
    wrong = displacement.copy()
    wrong[5:14, 8:20] = 0
    for mask in (np.ones(CELLS, np.bool_), active):
        found = matching_on_device.refine(first(now), first(picture), first(wrong), torch.from_numpy(mask))
        found = found.permute(1, 2, 0).numpy()
        np.testing.assert_array_equal(found[~mask], wrong[~mask])
        kernel = matching.refine(now, picture, wrong, mask)
        inner = mask & (rows > 2) & (rows < 17) & (columns > 2) & (columns < 27)
        assert np.abs(found - displacement)[inner].mean() <= np.abs(kernel - displacement)[inner].mean() + 0.05


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p", "yuv422p10le", "gray", "nv12"])
def test_colours_are_those_of_the_kernel(pixel_format):
    rgb = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    picture = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=pixel_format)
    found = matching_on_device.cell_picture(picture, (10, 15), torch.device("cpu"))
    np.testing.assert_allclose(found.permute(1, 2, 0), matching.cell_picture(picture, (10, 15)), atol=1e-3)
    assert matching_on_device.cell_picture(picture, (11, 7), torch.device("cpu")).shape == (3, 11, 7)
