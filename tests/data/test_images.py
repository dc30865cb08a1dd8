"""Image files."""

import errno
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from taplab.data.images import found_in, image_files, image_size, read_rgb, require_whole
from taplab.errors import SourceError


def test_image_files_in_name_order_without_hidden_ones(tmp_path, write):
    for name in ("b.png", "a.jpg", "._a.jpg"):
        write(tmp_path / name)
    (tmp_path / "notes.txt").write_text("")
    assert [f.name for f in image_files(tmp_path)] == ["a.jpg", "b.png"]


def test_no_images(tmp_path):
    with pytest.raises(SourceError, match="no such folder"):
        image_files(tmp_path / "none")
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(SourceError, match=r"no images in it .*found notes\.txt"):
        image_files(tmp_path)


def test_a_folder_that_may_not_be_looked_into_is_told(tmp_path, monkeypatch):
    """Root may look into all: that the system refuses is only said here."""

    def refuse(folder):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(SourceError, match=r"cannot be read \(Permission denied\); check that you may read it"):
        image_files(tmp_path)


def test_found_in_is_short(tmp_path):
    assert found_in(tmp_path / "none") == "no such folder"
    assert found_in(tmp_path) == "nothing"
    (tmp_path / "0").mkdir()
    for i in range(1, 12):
        (tmp_path / f"{i:02}").write_text("")
    assert found_in(tmp_path) == "0/, 01, 02, 03 and 8 more"


def test_size_and_pixels(tmp_path, write):
    file = write(tmp_path / "a.png", (10, 20, 30))
    assert image_size(file) == (6, 8)
    assert read_rgb(file).shape == (6, 8, 3)
    assert np.all(read_rgb(file) == (10, 20, 30))
    file.write_bytes(b"")
    for read in (image_size, read_rgb):
        with pytest.raises(SourceError, match=r"a\.png: cannot be read"):
            read(file)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.JPEG"])
def test_cut_off_images_are_found(tmp_path, monkeypatch, name):
    file = tmp_path / name
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)).save(file)
    whole = file.read_bytes()
    file.write_bytes(whole + b"more")  # unusual, but an image
    require_whole(file)
    for length in (len(whole) // 2, len(whole) - 200, 0):
        file.write_bytes(whole[:length])
        with pytest.raises(SourceError, match=r"a\.\w+: cannot be read as an image"):
            require_whole(file)
    file.write_bytes(whole)
    monkeypatch.setattr(Image, "open", None)
    require_whole(file)  # without decoding it


def test_other_kinds_of_images_are_not_looked_through(tmp_path, write, monkeypatch):
    file = write(tmp_path / "a.bmp")
    monkeypatch.setattr(Image, "open", None)
    require_whole(file)


def test_size_needs_only_the_header(tmp_path, write):
    file = write(tmp_path / "a.png", (10, 20, 30))
    file.write_bytes(file.read_bytes()[:60])
    assert image_size(file) == (6, 8)
