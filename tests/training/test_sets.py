"""What a training learns from, by the names of the command line."""

import pytest

from taplab.errors import SourceError
from taplab.training.sets import folders, splits_of, synthetic


@pytest.fixture
def tree(tmp_path, write):
    """CamVid's tree with one image to train on."""
    write(tmp_path / "train" / "a.png")
    write(tmp_path / "trainannot" / "a.png", 0)
    return tmp_path


def test_one_and_many(tree, write):
    assert splits_of("camvid", tree, "train", "none").origin == "camvid (train, 1 image)"
    write(tree / "train" / "b.png")
    write(tree / "trainannot" / "b.png", 0)
    assert splits_of("camvid", tree, "train", "none").origin == "camvid (train, 2 images)"
    assert [synthetic(n).origin for n in (1, 2)] == ["stills of 1 synthetic drive", "stills of 2 synthetic drives"]


def test_validation_if_it_is_there(tree, write):
    assert splits_of("camvid", tree, "train", None).note.startswith("no validation (")
    with pytest.raises(SourceError, match="no split val"):
        splits_of("camvid", tree, "train", "val")
    write(tree / "val" / "c.png")
    write(tree / "valannot" / "c.png", 0)
    assert len(splits_of("camvid", tree, "train", None).validation) == 1


def test_the_training_images_are_no_validation(tree, tmp_path, write):
    with pytest.raises(SourceError, match="are those to train on; give another --validation"):
        splits_of("camvid", tree, "train", "train")
    folders_of_it, linked = (tree / "train", tree / "trainannot"), tmp_path / "linked"
    linked.symlink_to(tree / "train")
    for images in (folders_of_it[0], linked):
        with pytest.raises(SourceError, match="are those to train on; give other --validation-images"):
            folders(folders_of_it, (images, folders_of_it[1]), "camvid")
    for i in range(2):
        write(tmp_path / "snippets" / "a" / "frames" / f"{i}.png")
    write(tmp_path / "snippets" / "a" / "gt" / "1.png", 0)
    sets = splits_of("cityscapes", tmp_path / "snippets", "train", None)  # snippets that are in no split
    assert sets.validation is None
    assert "are those to train on" in sets.note
