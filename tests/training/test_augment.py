import numpy as np
import torch

from taplab.training.augment import Augmentation, paste_rare, sample_crop
from taplab.types import IGNORE


def test_crops_keep_image_and_labels_together():
    """An image that shows its own labels still does after any zoom, pad and flip."""
    rng = np.random.default_rng(0)
    labels = torch.from_numpy(np.kron(rng.integers(0, 4, (6, 8)), np.ones((16, 16))).astype(np.uint8))
    image = (labels * 60)[None].repeat(3, 1, 1)
    for _ in range(20):
        x, y = sample_crop(rng, image, labels, (64, 80), [3], Augmentation())
        valid = y != IGNORE
        assert ((x[0] - 60 * y).abs()[valid] < 1).float().mean() > 0.8  # but for interpolated edges


def test_pasting_brings_image_and_labels():
    rng = np.random.default_rng(1)
    target = torch.zeros(3, 40, 40, dtype=torch.uint8), torch.zeros(40, 40, dtype=torch.uint8)
    donor = torch.full((3, 40, 40), 9, dtype=torch.uint8), torch.ones(40, 40, dtype=torch.uint8)
    donor[1][10:20, 10:20] = 2
    pasted = [paste_rare(rng, target, donor, [2]) for _ in range(10)]
    changed = [labels for _, labels in pasted if labels.any()]
    assert changed
    for image, labels in pasted:
        assert torch.equal(image[0] == 9, labels > 0)
        assert (labels == 2).sum() in (0, 100)
