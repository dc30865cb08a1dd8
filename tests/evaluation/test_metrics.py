import math

import numpy as np
import pytest

from taplab.evaluation.metrics import Confusion, temporal_consistency


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


def test_consistency_counts_flips_where_truth_stands_still():
    zero, one = np.zeros((2, 2), np.uint8), np.ones((2, 2), np.uint8)
    flipped = np.array([[0, 1], [0, 0]], np.uint8)
    assert temporal_consistency((zero, zero), (zero, flipped)) == 0.75
    assert temporal_consistency((zero, zero), (one, one)) == 1.0
