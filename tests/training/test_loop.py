import json

import numpy as np
import pytest
import torch

from taplab.data.stills import SyntheticStills
from taplab.errors import OutputError, TaplabError
from taplab.models.zoo import build
from taplab.training.augment import Augmentation, paste_rare, sample_crop
from taplab.training.loop import Batches, TrainSettings, train
from taplab.training.losses import class_weights, segmentation_loss, soft_jaccard
from taplab.types import IGNORE


@pytest.fixture(scope="module")
def stills():
    return SyntheticStills(range(3), 96, 128, per_drive=2)


def settings(**changes):
    small = {
        "steps": 6,
        "batch": 2,
        "crops": ((1.0, (64, 64)),),
        "warmup": 2,
        "validate_every": 3,
        "checkpoint_every": 2,
    }
    return TrainSettings(**{**small, "amp": False, **changes})


def fresh():
    torch.manual_seed(1)
    return build("bl2", 11, 0.125)


def test_training_lowers_the_loss_and_is_logged(stills, tmp_path):
    entries = []
    train(fresh(), stills, tmp_path, settings(steps=40), validation=stills, progress=entries.append)
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert log == entries
    losses = [e["loss"] for e in log if "loss" in e]
    assert losses[-1] < losses[0]
    validated = [e for e in log if "miou" in e]
    assert validated[-1]["step"] == 40
    assert set(validated[-1]["iou"]) == set(stills.classes)


def test_resuming_is_exact_to_the_bit(stills, tmp_path):
    whole = train(fresh(), stills, tmp_path / "whole", settings())

    class StoppedError(Exception):
        pass

    def stop(entry):
        if entry["step"] >= 3 and "miou" in entry:
            raise StoppedError

    with pytest.raises(StoppedError):
        train(fresh(), stills, tmp_path / "parts", settings(), validation=stills, progress=stop)
    torch.manual_seed(77)  # resuming must not depend on the generator's state
    resumed = train(build("bl2", 11, 0.125), stills, tmp_path / "parts", settings(), validation=stills)
    for a, b in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_another_recipe_does_not_resume(stills, tmp_path):
    train(fresh(), stills, tmp_path, settings(steps=2))
    with pytest.raises(OutputError, match="other settings or data"):
        train(fresh(), stills, tmp_path, settings(steps=3))
    with pytest.raises(OutputError, match="other settings or data"):
        train(build("bl2", 11, 0.25), stills, tmp_path, settings(steps=2))
    with pytest.raises(OutputError, match="other settings or data"):
        train(fresh(), SyntheticStills(range(4, 6), 96, 128, per_drive=2), tmp_path, settings(steps=2))


def test_a_broken_checkpoint_is_told(stills, tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"PK\x03\x04 not a checkpoint")
    with pytest.raises(OutputError, match="cannot be read"):
        train(fresh(), stills, tmp_path, settings(steps=2))


def test_a_loss_that_explodes_is_told(stills, tmp_path):
    net = fresh()
    torch.nn.init.constant_(net.classifier.bias, float("nan"))
    with pytest.raises(TaplabError, match="learning rate"):
        train(net, stills, tmp_path, settings())


def test_batches_are_a_function_of_the_step(stills):
    batches = Batches(stills, settings(), 0, 1)
    again = Batches(stills, settings(), 0, 1)
    assert torch.equal(batches[4][0], again[4][0])
    assert not torch.equal(batches[4][0], batches[5][0])
    x, y = batches[0]
    assert x.shape == (2, 3, 64, 64)
    assert y.dtype == torch.long
    assert set(y.unique().tolist()) <= {*range(11), IGNORE}


def test_ranks_see_different_samples(stills):
    one, two = Batches(stills, settings(), 0, 2), Batches(stills, settings(), 1, 2)
    assert one[0][0].shape[0] == 1
    assert not torch.equal(one[0][0], two[0][0])


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


def test_losses():
    labels = torch.tensor([[[0, 1], [IGNORE, 1]]])
    perfect = torch.tensor([[[[9.0, -9.0], [0.0, -9.0]], [[-9.0, 9.0], [0.0, 9.0]]]])
    assert soft_jaccard(perfect, labels) < 1e-3
    assert soft_jaccard(-perfect, labels) > 0.99
    weights = class_weights(torch.tensor([0.9, 0.1]))
    assert weights[1] > weights[0]
    assert segmentation_loss(perfect, labels, weights, 0.5, 0.0) < 1e-2
    assert segmentation_loss(-perfect, labels, weights, 0.5, 0.0) > 5
