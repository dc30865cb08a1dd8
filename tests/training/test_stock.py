import hashlib

import numpy as np
import pytest
from PIL import Image

from taplab.data.labelled import LabelledFiles, LabelledImages
from taplab.errors import SourceError
from taplab.training.stock import Stock

CLASSES, PALETTE = ("a", "b", "c"), [(0, 0, 0), (1, 1, 1), (2, 2, 2)]


@pytest.fixture
def data(tmp_path):
    """20 images of 24x32, the last one row higher."""
    rng = np.random.default_rng(0)
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    for i in range(20):
        size = (25 if i == 19 else 24, 32)
        Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(tmp_path / f"images/{i:02d}.png")
        Image.fromarray(rng.integers(0, 2, size, dtype=np.uint8)).save(tmp_path / f"labels/{i:02d}.png")
    return LabelledImages(tmp_path / "images", tmp_path / "labels", CLASSES, PALETTE)


class Counting(LabelledImages):
    """Counts how often a whole pair is read."""

    def __init__(self, data):
        self.__dict__.update(data.__dict__)
        self.read_pairs = 0

    def __getitem__(self, index):
        self.read_pairs += 1
        return super().__getitem__(index)


def test_what_it_holds(data):
    stock = Stock(data)
    assert (len(stock), stock.classes, stock.smallest) == (20, CLASSES, (24, 32))
    image, labels = stock[19]
    assert np.array_equal(image.permute(1, 2, 0).numpy(), data[19][0])
    assert np.array_equal(labels.numpy(), data[19][1])
    all_labels = [data[i][1] for i in range(20)]
    assert stock.frequency.tolist() == pytest.approx(
        [np.mean(np.concatenate([y.ravel() for y in all_labels]) == c) for c in range(3)]
    )
    assert stock.digest == hashlib.sha256(b"".join(y.tobytes() for y in all_labels)).hexdigest()


def test_small_sets_are_read_once(data):
    counting = Counting(data)
    stock = Stock(counting)
    for i in range(20):
        assert stock[i][0].shape[0] == 3
    assert counting.read_pairs == 20


def test_large_sets_are_read_when_asked_for(data):
    counting, whole = Counting(data), Stock(data)
    stock = Stock(counting, memory=1)
    assert counting.read_pairs == 16  # the first lot, after which the memory is known to be full
    assert (stock.digest, stock.smallest) == (whole.digest, whole.smallest)
    assert stock.frequency.tolist() == whole.frequency.tolist()
    for i in (18, 18, 3):
        assert np.array_equal(stock[i][0].numpy(), whole[i][0].numpy())
    assert counting.read_pairs == 18
    none = Counting(data)
    assert Stock(none, memory=0).digest == whole.digest
    assert none.read_pairs == 0


@pytest.mark.parametrize("memory", [0, 1 << 20])
def test_labels_of_another_size_are_told_by_name(data, memory):
    Image.fromarray(np.zeros((24, 31), np.uint8)).save(data.labels[17])
    with pytest.raises(SourceError, match=r"17\.png"):
        Stock(data, memory=memory)


def test_images_that_are_cut_off_are_told_before_training(data):
    file = data.images[18]
    file.write_bytes(file.read_bytes()[:200])
    for memory in (0, 1 << 20):
        with pytest.raises(SourceError, match=r"18\.png: cannot be read as an image"):
            Stock(data, memory=memory)


def test_labels_without_a_class_are_told_by_folder(data, tmp_path):
    for file in data.labels:
        Image.fromarray(np.full(np.array(Image.open(file)).shape, 255, np.uint8)).save(file)
    with pytest.raises(SourceError, match=rf"^{tmp_path / 'labels'}: no pixel of the validation set has a label"):
        Stock(data, "validation set")
    spread = LabelledFiles(
        [(data.images[0], data.labels[0]), (data.images[1], data.images[1])], CLASSES, PALETTE, lambda file: labels
    )
    labels = np.full((24, 32), 255, np.uint8)
    with pytest.raises(SourceError, match=rf"^{tmp_path}: no pixel of the training set has a label"):
        Stock(spread)
