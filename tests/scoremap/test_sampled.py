import numpy as np
import pytest
import torch
import torch.nn.functional as F

from taplab.labels import labels_from_scores
from taplab.modules.ffw import Carried, warp
from taplab.scoremap.sampled import Sampled


def smooth(classes, h, w, seed):
    torch.manual_seed(seed)
    return F.interpolate(torch.randn(1, classes, 4, 5), (h, w), mode="bicubic")[0] * 5


@pytest.mark.parametrize(("classes", "h", "w"), [(4, 30, 41), (11, 24, 32), (2, 1, 9), (8, 9, 1), (1, 5, 5)])
def test_labels_are_those_of_warped_scores(classes, h, w):
    scores = smooth(classes, h, w, classes)
    way = np.random.default_rng(h).uniform(-5, 5, (1, 1, 2)) + np.random.default_rng(w).normal(0, 0.4, (h, w, 2))
    way = way.astype(np.float32)
    size = (4 * h + 1, 4 * w)
    warped = warp(scores, way)
    found = labels_from_scores(Carried(scores, way).for_labels(size), size)
    upsampled = F.interpolate(warped[None], size, mode="bilinear", align_corners=False)[0]
    lead = upsampled.gather(0, torch.from_numpy(found).long()[None])[0]
    assert torch.all(upsampled.amax(0) - lead < 1e-3)  # of two classes that tie, either is right
    assert np.mean(found != labels_from_scores(warped, size)) < 1e-3


def test_samples_are_taken_at_contours_alone():
    scores = torch.full((2, 12, 30), -1.0)
    scores[0, :, :15], scores[1, :, 15:] = 1, 1
    contours = Sampled(scores).contours(np.full((12, 30, 2), (2.5, 0), np.float32))
    np.testing.assert_array_equal(contours.best, warp(scores, np.full((12, 30, 2), (2.5, 0), np.float32)).argmax(0))
    np.testing.assert_allclose(contours.scores[:, 12, :2], 0, atol=1e-6)


@pytest.mark.parametrize("size", [(30, 40), (10, 90), (30, 41)])
def test_where_the_map_is_not_smaller_than_the_frame_all_is_warped(size):
    carried = Carried(smooth(3, 30, 41, 0), np.zeros((30, 41, 2), np.float32))
    assert isinstance(carried.for_labels(size), torch.Tensor) is (size != (30, 41))
    assert np.array_equal(labels_from_scores(carried.for_labels(size), size), labels_from_scores(carried.scores, size))
