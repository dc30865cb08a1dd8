import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from taplab.modules.rgc import blend, cells_of, choose_region, region_and_stride, region_size
from taplab.types import Region, Residual


def residual(counts):
    counts = np.asarray(counts, np.int32)
    return Residual(counts * 0, counts, counts.size * 256)


def test_the_paper_s_region_scales_with_the_frame():
    assert region_size((1024, 2048)) == (512, 512)
    assert region_size((360, 480)) == (192, 192)
    assert region_size((64, 40)) == (32, 32)
    assert region_and_stride((360, 480), None, None) == ((192, 192), (96, 96))


def test_a_region_that_is_asked_for_ends_with_the_frame():
    assert region_size((64, 40), (48, 48)) == (48, 40)
    assert region_and_stride((64, 40), (48, 48), (16, 8)) == ((48, 40), (16, 8))


def test_a_region_s_cells():
    assert cells_of(Region(16, 32, 48, 64), (96, 128), (24, 32)) == (slice(4, 16), slice(8, 24))
    assert cells_of(Region(268, 688, 272, 272), (540, 960), (135, 239)) == (slice(67, 135), slice(171, 239))


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**31), rows=st.integers(4, 20), cols=st.integers(4, 30))
def test_the_region_has_the_most_pixels_above_the_threshold(seed, rows, cols):
    counts = np.random.default_rng(seed).integers(0, 257, (rows, cols))
    frame, size, stride = (rows * 16, cols * 16), (64, 64), (32, 32)
    region = choose_region(residual(counts), frame, size, stride)
    tops = sorted({*range(0, rows - 3, 2), rows - 4})
    lefts = sorted({*range(0, cols - 3, 2), cols - 4})
    most = max(counts[i : i + 4, j : j + 4].sum() for i in tops for j in lefts)
    i, j = region.top // 16, region.left // 16
    assert counts[i : i + 4, j : j + 4].sum() == most
    assert region.top + region.height <= frame[0]
    assert region.left + region.width <= frame[1]


def test_regions_stay_inside_frames_that_are_no_multiple_of_a_block():
    counts = np.zeros((34, 60))
    counts[-1, -1] = 5
    region = choose_region(residual(counts), (540, 960), (272, 272), (136, 136))
    assert (region.top + region.height, region.left + region.width) == (540, 960)


def test_blend_follows_eq_6_inside_the_region_only():
    warped, crop = torch.randn(3, 16, 32), torch.randn(3, 8, 8)
    out = blend(warped, crop, Region(16, 64, 32, 32), (64, 128), 0.6)
    assert torch.allclose(out[:, 4:12, 16:24], 0.4 * warped[:, 4:12, 16:24] + 0.6 * crop)
    out[:, 4:12, 16:24] = warped[:, 4:12, 16:24]
    assert torch.equal(out, warped)


def test_blend_fits_scores_of_another_stride():
    out = blend(torch.zeros(1, 8, 8), torch.ones(1, 3, 3), Region(0, 0, 32, 32), (64, 64), 1.0)
    assert torch.equal(out[0, :4, :4], torch.ones(4, 4))
    assert out.sum() == 16
