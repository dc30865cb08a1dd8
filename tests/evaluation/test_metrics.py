import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from taplab.evaluation.metrics import BoundaryOverlap, Confusion, near_edges, temporal_consistency


def test_iou_by_hand():
    confusion = Confusion("abc")
    truth = np.array([[0, 0, 1, 255]], np.uint8)
    confusion.add(truth, np.array([[0, 1, 1, 2]], np.uint8))
    assert confusion.iou[:2].tolist() == [0.5, 0.5]
    assert math.isnan(confusion.iou[2])
    assert confusion.miou == 0.5
    assert confusion.pixel_accuracy == pytest.approx(2 / 3)


def test_one_matrix_for_the_whole_set():
    confusion = Confusion("ab")
    confusion.add(np.zeros((1, 4), np.uint8), np.array([[0, 0, 0, 1]], np.uint8))
    confusion.add(np.ones((1, 1), np.uint8), np.ones((1, 1), np.uint8))
    assert confusion.iou.tolist() == [0.75, 0.5]


def test_a_class_only_predicted_counts_against_the_others_not_in_the_mean():
    confusion = Confusion("ab")
    confusion.add(np.zeros((1, 4), np.uint8), np.array([[0, 0, 0, 1]], np.uint8))
    assert confusion.iou[1] == 0
    assert confusion.miou == 0.75
    truth = np.arange(36, dtype=np.uint8).reshape(6, 6) // 18
    predicted = truth.copy()
    predicted[0, 0] = 2
    boundary = BoundaryOverlap("abc")
    boundary.add(truth, predicted)
    assert boundary.counts[1, 2] == 1
    assert boundary.mean == pytest.approx((6 / 9 + 1) / 2)  # three of 0's pixels are near that of 2


def test_consistency_counts_flips_where_truth_stands_still():
    zero, one = np.zeros((2, 2), np.uint8), np.ones((2, 2), np.uint8)
    flipped = np.array([[0, 1], [0, 0]], np.uint8)
    assert temporal_consistency((zero, zero), (zero, flipped)) == 0.75
    assert temporal_consistency((zero, zero), (one, one)) == 1.0


def test_edges_are_what_is_near_another_label():
    labels = np.zeros((9, 12), np.uint8)
    labels[:, 6:] = 1
    for distance in (1, 2, 4):
        expected = np.zeros((9, 12), bool)
        expected[:, 6 - distance : 6 + distance] = True
        np.testing.assert_array_equal(near_edges(labels, distance), expected)


@given(arrays(np.uint8, (12, 14), elements=st.integers(0, 2)), st.integers(1, 4))
def test_edges_equal_their_definition(labels, distance):
    padded = np.pad(labels, distance, mode="edge")
    size = 2 * distance + 1
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size))
    # Pixels of another label within the square around each pixel.
    expected = (windows != labels[..., None, None]).any((2, 3))
    np.testing.assert_array_equal(near_edges(labels, distance), expected)


def test_boundary_overlap():
    truth = np.zeros((100, 200), np.uint8)
    truth[:, 100:] = 1
    same, moved = BoundaryOverlap("ab"), BoundaryOverlap("ab")
    same.add(truth, truth)
    moved.add(truth, np.roll(truth, 1, 1)[:, :])
    assert same.mean == 1.0
    assert 0 <= moved.mean < 0.5
    assert np.isnan(BoundaryOverlap("ab").mean)
