"""What is found before any work starts."""

from types import SimpleNamespace

import pytest
from PIL import Image

from taplab.data import check as check_module
from taplab.data.camvid import camvid
from taplab.data.check import check
from taplab.data.clips import ClipSet
from taplab.data.drives import drive_clips
from taplab.data.mapping import in_classes_of
from taplab.data.sequence import sequence, sequence_clips
from taplab.errors import SourceError


@pytest.fixture
def folders(tmp_path, write):
    for i in range(4):
        write(tmp_path / "drive" / f"{i}.png", (i, 0, 0))
        write(tmp_path / "labels" / f"{i}.png", i)
    return tmp_path / "drive", tmp_path / "labels"


def refused(folders, says, *, stills=True):
    with pytest.raises(SourceError, match=says):
        check(sequence_clips(*folders))
    if stills:
        with pytest.raises(SourceError, match=says):
            check(sequence(*folders))


def test_good(folders):
    check(sequence_clips(*folders))
    check(sequence(*folders))


def test_labels_of_another_size(folders, write):
    write(folders[1] / "2.png", 0, size=(6, 10))
    refused(folders, r"labels.2\.png: 6x10 pixels .*drive.2\.png has 6x8")


def test_frames_of_unequal_size(folders, write):
    write(folders[0] / "3.png", size=(8, 8))
    refused(folders, r"drive.3\.png: 8x8 pixels .*drive.0\.png has 6x8", stills=False)


def test_stills_may_differ_in_size(folders, write):
    write(folders[0] / "3.png", size=(8, 8))
    write(folders[1] / "3.png", 3, size=(8, 8))
    check(sequence(*folders))


def test_unreadable(folders):
    (folders[0] / "1.png").write_bytes(b"no image")
    refused(folders, r"drive.1\.png: cannot be read as an image")


def test_cut_off(folders):
    file = folders[0] / "2.png"
    file.write_bytes(file.read_bytes()[:50])
    refused(folders, r"drive.2\.png: cannot be read as an image")


@pytest.mark.parametrize("size", [(6, 7), (5, 8)])
def test_odd_sizes_cannot_be_encoded(folders, write, size):
    good = sequence_clips(*folders)
    for i in range(4):
        write(folders[0].with_name("odd") / f"{i}.png", (i, 0, 0), size)
        write(folders[1].with_name("odd labels") / f"{i}.png", i, size)
    odd = folders[0].with_name("odd"), folders[1].with_name("odd labels")
    says = rf"odd.0\.png: {size[0]}x{size[1]} pixels .* even number of rows and columns"
    for clips in (sequence_clips(*odd), in_classes_of(sequence_clips(*odd), ["sky", "road"])[0]):
        with pytest.raises(SourceError, match=says):
            check(ClipSet("both", clips.classes, clips.palette, [*good.clips, *clips.clips]))
    check(sequence(*odd))  # stills are not encoded
    with pytest.raises(SourceError, match="mine: "):
        check(ClipSet("drawn", good.classes, good.palette, [SimpleNamespace(name="mine", size=size)]))


def test_odd_sizes_are_found_before_labels_are_read(folders, write, monkeypatch):
    for i in range(4):
        write(folders[0] / f"{i}.png", size=(5, 8))
    monkeypatch.setattr(Image.Image, "convert", None)
    with pytest.raises(SourceError, match=r"drive.0\.png: 5x8 pixels"):
        check(sequence_clips(*folders))


def test_unknown_id(folders, write):
    write(folders[1] / "1.png", 12)
    refused(folders, r"labels.1\.png: id 12 ")


def test_ids_of_many_files_are_looked_at_in_part(folders, write, monkeypatch):
    monkeypatch.setattr(check_module, "IDS_CHECKED", 2)
    write(folders[1] / "1.png", 12)
    check(sequence(*folders))
    write(folders[1] / "2.png", 12)
    refused(folders, r"labels.2\.png: id 12 ")


def test_frames_without_labels_are_not_decoded(folders, monkeypatch):
    monkeypatch.setattr(Image.Image, "convert", None)
    check(sequence_clips(*folders))


def test_empty(folders):
    clips = sequence_clips(*folders)
    with pytest.raises(SourceError, match="none: there is nothing in it"):
        check(ClipSet("none", clips.classes, clips.palette, []))


def test_mapped_and_drawn_clips(folders, write):
    check(drive_clips([1], 64, 96, 2))
    mapped, _ = in_classes_of(sequence_clips(*folders), ["sky", "road"])
    check(mapped)
    write(folders[1] / "1.png", 12)
    with pytest.raises(SourceError, match=r"1\.png: id 12 "):
        check(mapped)


def test_real_training_set(shared):
    check(camvid(shared / "camvid", "train"))
