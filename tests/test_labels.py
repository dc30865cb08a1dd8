import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from taplab.labels import labels_from_scores


def plain(scores, size):
    return F.interpolate(scores[None].double(), size, mode="bilinear", align_corners=False)[0]


def agree(labels, upsampled):
    """Where two classes tie to the last bits, either is right."""
    lead = upsampled.gather(0, torch.from_numpy(labels).long()[None])[0]
    return labels.shape == upsampled.shape[1:] and bool(torch.all(upsampled.amax(0) - lead < 1e-5))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    classes=st.integers(1, 12),
    h=st.integers(1, 12),
    w=st.integers(1, 12),
    scale=st.sampled_from([1, 2, 4, 8]),
    ragged=st.tuples(st.integers(0, 7), st.integers(0, 7)),
    smooth=st.booleans(),
)
def test_equal_to_upsampling_and_argmax(seed, classes, h, w, scale, ragged, smooth):
    torch.manual_seed(seed)
    scores = torch.randn(classes, h, w)
    if smooth:
        scores = F.avg_pool2d(F.pad(scores[None], (2, 2, 2, 2), mode="replicate"), 5, 1)[0] * 5
    size = (h * scale + ragged[0] % scale, w * scale + ragged[1] % scale)
    labels, upsampled = labels_from_scores(scores, size), plain(scores, size)
    assert agree(labels, upsampled)
    if classes > 1:
        top = upsampled.topk(2, 0).values
        clear = (top[0] - top[1] > 1e-4).numpy()
        assert np.array_equal(labels[clear], upsampled.argmax(0).numpy()[clear])


def test_a_class_that_wins_at_no_corner_can_win_inside():
    """Second everywhere at the corners, first in the middle: the shortcut must not lose it."""
    scores = torch.tensor([[[4.0, 0.0], [4.0, 0.0]], [[0.0, 4.0], [0.0, 4.0]], [[3.0, 3.0], [3.0, 3.0]]])
    assert set(np.unique(labels_from_scores(scores, (16, 16)))) == {0, 1, 2}


@pytest.mark.parametrize("cells", [(6, 8), (1, 9), (9, 1), (1, 1), (40, 30)])
@pytest.mark.parametrize("size", [(6, 8), (3, 20), (12, 4), (1, 1), (5, 7), (39, 29), (100, 3)])
def test_any_size(cells, size):
    scores = torch.randn(3, *cells)
    assert agree(labels_from_scores(scores, size), plain(scores, size))


def test_type_and_half_precision():
    labels = labels_from_scores(torch.randn(3, 6, 8).bfloat16(), (24, 32))
    assert labels.dtype == np.uint8
    assert labels.shape == (24, 32)
