"""Label images as class ids."""

import numpy as np
import pytest
from PIL import Image

from taplab.data.camvid import read_colours
from taplab.data.cityscapes import read_labels
from taplab.data.readers import Colours, plain_ids
from taplab.errors import SourceError
from taplab.types import IGNORE


def save(file, array):
    Image.fromarray(np.asarray(array)).save(file)
    return file


def test_plain_ids_and_void(tmp_path):
    file = save(tmp_path / "a.png", np.array([[0, 2, 3, 255]], np.uint8))
    labels = plain_ids(3, void=(3, IGNORE))(file)
    assert labels.dtype == np.uint8
    assert labels.tolist() == [[0, 2, 255, 255]]


def test_unknown_id_is_named(tmp_path):
    file = save(tmp_path / "a.png", np.array([[0, 1], [1, 7]], np.uint8))
    with pytest.raises(
        SourceError, match=r"a\.png: id 7 at row 1, column 1 \(1 such pixels\) .*0 to 2, 255; write 255"
    ):
        plain_ids(3)(file)


@pytest.mark.parametrize("value", [256, 300, 65535])
def test_ids_beyond_a_byte_do_not_wrap(tmp_path, value):
    file = save(tmp_path / "a.png", np.full((2, 2), value, np.uint16))
    with pytest.raises(SourceError, match=f"id {value} "):
        plain_ids(3)(file)


def test_sixteen_bits_and_palettes_are_read(tmp_path):
    assert plain_ids(3)(save(tmp_path / "a.png", np.full((2, 2), 2, np.uint16))).tolist() == [[2, 2], [2, 2]]
    image = Image.fromarray(np.full((2, 2), 1, np.uint8)).convert("P")
    image.putpalette([9, 9, 9, 200, 0, 0])
    image.save(tmp_path / "p.png")
    assert plain_ids(3)(tmp_path / "p.png").tolist() == [[1, 1], [1, 1]]


def test_colours_where_ids_belong(tmp_path):
    with pytest.raises(SourceError, match="one channel of class ids"):
        plain_ids(3)(save(tmp_path / "a.png", np.zeros((2, 2, 3), np.uint8)))


def test_colours(tmp_path):
    read = Colours({(0, 0, 0): IGNORE, (255, 0, 0): 0, (0, 0, 255): 1, (0, 255, 0): 2}, "repaint it")
    pixels = np.array([[(255, 0, 0), (0, 0, 255), (0, 255, 0), (0, 0, 0)]], np.uint8)
    assert read(save(tmp_path / "a.png", pixels)).tolist() == [[0, 1, 2, 255]]


@pytest.mark.parametrize("colour", [(1, 0, 0), (255, 255, 254), (0, 0, 254)])
def test_unknown_colour_is_named(tmp_path, colour):
    read = Colours({(0, 0, 0): IGNORE, (255, 0, 0): 0, (0, 0, 255): 1}, "repaint it")
    pixels = np.zeros((2, 3, 3), np.uint8)
    pixels[1, 2] = colour
    red, green, blue = colour
    with pytest.raises(
        SourceError, match=rf"a\.png: colour \({red}, {green}, {blue}\) at row 1, column 2 .*repaint it"
    ):
        read(save(tmp_path / "a.png", pixels))


def test_ids_where_colours_belong(tmp_path):
    with pytest.raises(SourceError, match="colour labels were expected"):
        read_colours(save(tmp_path / "a.png", np.full((2, 2), 128, np.uint8)))


def test_ids_in_three_channels(tmp_path):
    file = save(tmp_path / "a.png", np.repeat(np.array([[[0], [10]], [[3], [0]]], np.uint8), 3, axis=2))
    with pytest.raises(SourceError, match=r"a\.png: colour \(10, 10, 10\) at row 0, column 1 .*save one channel"):
        read_colours(file)


def test_no_image(tmp_path):
    file = tmp_path / "a.png"
    file.write_bytes(b"no image")
    for read in (plain_ids(3), read_colours):
        with pytest.raises(SourceError, match=r"a\.png: cannot be read as an image"):
            read(file)


def test_cut_off_image(tmp_path):
    file = save(tmp_path / "a.png", np.random.default_rng(0).integers(0, 3, (64, 64)).astype(np.uint8))
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(SourceError, match=r"a\.png: cannot be read as an image"):
        plain_ids(3)(file)


def test_cityscapes_label_ids(tmp_path):
    file = save(tmp_path / "x_gtFine_labelIds.png", np.array([[7, 8, 11, 33, 0, 3, 29, 255]], np.uint8))
    assert read_labels(file).tolist() == [[0, 1, 2, 18, 255, 255, 255, 255]]


def test_cityscapes_train_ids(tmp_path):
    ids = np.array([[0, 18, 255]], np.uint8)
    for name in ("x_gtFine_labelTrainIds.png", "x.png"):
        assert read_labels(save(tmp_path / name, ids)).tolist() == [[0, 18, 255]]


def test_cityscapes_unknown_ids(tmp_path):
    with pytest.raises(SourceError, match=r"id 34 .* 0 to 33, 255"):
        read_labels(save(tmp_path / "x_labelIds.png", np.full((1, 1), 34, np.uint8)))
    with pytest.raises(SourceError, match=r"id 33 .* 0 to 18, 255.*end in _labelIds"):
        read_labels(save(tmp_path / "x.png", np.full((1, 1), 33, np.uint8)))
