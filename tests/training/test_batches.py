from dataclasses import replace

import numpy as np
import pytest
import torch

from taplab.data.stills import SyntheticStills
from taplab.training.batches import Batches
from taplab.training.recipes import RECIPES
from taplab.training.stock import Stock
from taplab.types import IGNORE


@pytest.fixture(scope="module")
def stock():
    return Stock(SyntheticStills(range(3), 96, 128, per_drive=2))


def settings(recipe="road", **changes):
    return replace(RECIPES[recipe], **{"batch": 2, "crops": ((1.0, (64, 64)),), **changes})


@pytest.mark.parametrize("recipe", RECIPES)
def test_batches_are_a_function_of_the_step(stock, recipe):
    batches = Batches(stock, settings(recipe))
    again = Batches(stock, settings(recipe))
    assert torch.equal(batches[4][0], again[4][0])
    assert not torch.equal(batches[4][0], batches[5][0])
    x, y = batches[0]
    assert x.shape == (2, 3, 64, 64)
    assert y.dtype == torch.long
    assert set(y.unique().tolist()) <= {*range(11), IGNORE}


def test_ranks_see_different_samples(stock):
    one, two = Batches(stock, settings(), 0, 2), Batches(stock, settings(), 1, 2)
    assert one[0][0].shape[0] == 1
    assert not torch.equal(one[0][0], two[0][0])


def test_ranks_together_see_what_one_process_sees(stock):
    alone = Batches(stock, settings())[3]
    together = [Batches(stock, settings(), rank, 2)[3] for rank in range(2)]
    for whole, parts in zip(alone, zip(*together, strict=True), strict=True):
        assert torch.equal(whole, torch.cat(parts))


def test_batches_read_ahead_are_the_same(stock):
    batches = Batches(stock, settings())
    ahead = list(batches.between(2, 9, threads=3))
    assert len(ahead) == 7
    for step, (x, y) in enumerate(ahead, start=2):
        assert torch.equal(x, batches[step][0])
        assert torch.equal(y, batches[step][1])
    assert list(batches.between(5, 5, threads=3)) == []


class Noise:
    """Images of which every window is unlike all others."""

    classes, palette = ("a", "b"), [(0, 0, 0), (1, 1, 1)]

    def __len__(self):
        return 4

    def __getitem__(self, index):
        rng = np.random.default_rng(index)
        return rng.integers(0, 256, (36, 40, 3), dtype=np.uint8), rng.integers(0, 2, (36, 40), dtype=np.uint8)


def test_the_paper_changes_scale_place_and_side_only():
    """At scale 1 a crop is a part of its image or of its mirror image, to the grey level, and so are its labels."""
    how = settings("paper", crops=((1.0, (32, 32)),))
    how = replace(how, augmentation=replace(how.augmentation, scale=(1.0, 1.0)))
    stock, places = Stock(Noise()), set()
    for step in range(8):
        for crop, truth in zip(*Batches(stock, how)[step], strict=True):
            (place,) = [found for i in range(4) for k in range(2) if (found := _place(stock[i], crop, truth, k))]
            places.add(place)
    assert {mirrored for *_, mirrored in places} == {0, 1}
    assert len(places) > 8


def _place(pair, crop, truth, mirrored):
    """(row, column, mirrored) at which the crop and its labels are cut from the pair."""
    image, labels = (x.flip(-1) for x in pair) if mirrored else pair
    for row in range(5):
        for column in range(9):
            window = slice(row, row + 32), slice(column, column + 32)
            if torch.equal(image[:, *window].float(), crop) and torch.equal(labels[window].long(), truth):
                return row, column, mirrored
    return None
