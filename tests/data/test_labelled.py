"""Images paired with label images."""

import pytest

from taplab.data.classes import CAMVID
from taplab.data.labelled import LabelledImages, pairs_of
from taplab.errors import SourceError


@pytest.fixture
def folders(tmp_path, write):
    for i in range(3):
        write(tmp_path / "images" / f"{i}.jpg", (i, i, i))
        write(tmp_path / "labels" / f"{i}.png", i)
    return tmp_path / "images", tmp_path / "labels"


def test_pairs(folders):
    data = LabelledImages(*folders, ["a", "b", "c"], [(0, 0, 0)] * 3)
    assert len(data) == 3
    rgb, labels = data[2]
    assert rgb.shape == (6, 8, 3)
    assert (labels == 2).all()


def test_ids_outside_the_list(folders):
    with pytest.raises(SourceError, match=r"2\.png: id 2 "):
        LabelledImages(*folders, ["a", "b"], [(0, 0, 0)] * 2)[2]


def test_void_of_camvid(folders, write):
    write(folders[1] / "0.png", 11)
    assert (LabelledImages(*folders, CAMVID.names, CAMVID.palette)[0][1] == 255).all()


def test_missing_and_alone(folders, write):
    extra = write(folders[1] / "3.png", 1)
    with pytest.raises(SourceError, match=r"3\.png: labels without an image"):
        LabelledImages(*folders, ["a", "b", "c"], [])
    extra.unlink()
    (folders[1] / "1.png").unlink()
    with pytest.raises(SourceError, match=r"labels: no labels for 1\.jpg \(1 of 3 missing; found 0\.png, 2\.png\)"):
        LabelledImages(*folders, ["a", "b", "c"], [])


def test_one_folder_for_both(folders, tmp_path):
    for labels in (folders[0], tmp_path / "labels" / ".." / "images"):
        with pytest.raises(SourceError, match="images: given for the images and for their labels"):
            pairs_of(folders[0], labels)


def test_other_size(folders, write):
    write(folders[1] / "1.png", 1, size=(4, 4))
    with pytest.raises(SourceError, match=r"1\.png: 4x4 pixels .*1\.jpg has 6x8"):
        LabelledImages(*folders, ["a", "b", "c"], [])[1]


@pytest.mark.parametrize(
    ("image", "label"),
    [("x_L", "x_L"), ("x", "x_L"), ("x", "x_labelIds"), ("x_leftImg8bit", "x_gtFine_labelTrainIds")],
)
def test_names_of_labels(tmp_path, write, image, label):
    pair = write(tmp_path / "i" / f"{image}.png"), write(tmp_path / "l" / f"{label}.png", 0)
    assert pairs_of(tmp_path / "i", tmp_path / "l") == [pair]


def test_gtfine_folder_has_more_than_ids(tmp_path, write):
    write(tmp_path / "i" / "x_leftImg8bit.png")
    for ending in ("color", "instanceIds", "labelIds", "labelTrainIds"):
        write(tmp_path / "l" / f"x_gtFine_{ending}.png", 0)
    ((_, label),) = pairs_of(tmp_path / "i", tmp_path / "l")
    assert label.stem == "x_gtFine_labelIds"


def test_two_labels_for_one_image(tmp_path, write):
    write(tmp_path / "i" / "x.png")
    write(tmp_path / "l" / "x.png", 0)
    write(tmp_path / "l" / "x_L.png", 0)
    with pytest.raises(SourceError, match=r"x_L\.png: x\.png is for the same image"):
        pairs_of(tmp_path / "i", tmp_path / "l")
