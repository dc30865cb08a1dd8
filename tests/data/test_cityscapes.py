"""Cityscapes as published, and as single snippets."""

import pytest

from taplab.data.check import check
from taplab.data.cityscapes import CLASSES, cityscapes, cityscapes_clips
from taplab.errors import SettingError, SourceError

PLACES = ("lindau_000000_000019", "frankfurt_000000_000294", "frankfurt_000001_011835")


@pytest.fixture
def root(tmp_path, write):
    """Three labelled images of two cities, each with its 30 frames."""
    for place in PLACES:
        city, series, number = place.split("_")
        write(tmp_path / "gtFine" / "val" / city / f"{place}_gtFine_labelIds.png", 7)
        write(tmp_path / "gtFine" / "val" / city / f"{place}_gtFine_color.png")
        write(tmp_path / "leftImg8bit" / "val" / city / f"{place}_leftImg8bit.png", (19, 19, 19))
        for i in range(30):
            frame = f"{city}_{series}_{int(number) - 19 + i:06}_leftImg8bit.png"
            write(tmp_path / "leftImg8bit_sequence" / "val" / city / frame, (i, i, i))
    return tmp_path


def test_stills(root):
    data = cityscapes(root, "val")
    assert data.classes == CLASSES
    assert [f.name.split("_leftImg8bit")[0] for f in data.images] == sorted(PLACES)
    rgb, labels = data[0]
    assert (labels == 0).all()
    assert (rgb == 19).all()
    check(data)


def test_stills_from_the_sequences(root):
    (root / "leftImg8bit").rename(root / "other")
    data = cityscapes(root, "val")
    assert len(data) == 3
    assert all((data[i][0] == 19).all() for i in range(3))


def test_clips(root):
    clips = cityscapes_clips(root, "val")
    assert (clips.name, clips.notes, len(clips.clips)) == ("cityscapes-val", (), 3)
    check(clips)
    for clip, place in zip(clips.clips, sorted(PLACES), strict=True):
        assert (clip.name, len(clip), clip.fps, clip.labelled) == (place, 30, 17.0, (19,))
        assert [int(clip.frame(i)[0, 0, 0]) for i in range(30)] == list(range(30))
        assert clip.frames[19].stem == f"{place}_leftImg8bit"
        assert (clip.truth(19) == 0).all()


def test_train_ids(root):
    for file in root.glob("gtFine/val/*/*_labelIds.png"):
        file.rename(file.with_name(file.name.replace("labelIds", "labelTrainIds")))
    assert (cityscapes_clips(root, "val").clips[0].truth(19) == 7).all()


def test_max_clips(root):
    assert [clip.name for clip in cityscapes_clips(root, "val", 2).clips] == sorted(PLACES)[:2]
    with pytest.raises(SettingError, match="max_clips=0"):
        cityscapes_clips(root, "val", 0)


def test_missing_frame(root):
    (root / "leftImg8bit_sequence/val/frankfurt/frankfurt_000000_000300_leftImg8bit.png").unlink()
    with pytest.raises(SourceError, match=r"leftImg8bit_sequence: frankfurt_000000_000300_leftImg8bit\.png is missing"):
        cityscapes_clips(root, "val")


def test_missing_image(root):
    (root / "leftImg8bit/val/frankfurt/frankfurt_000000_000294_leftImg8bit.png").unlink()
    with pytest.raises(SourceError, match=r"frankfurt_000000_000294_leftImg8bit\.png is missing"):
        cityscapes(root, "val")


def test_missing_labels(root):
    (root / "gtFine/val/frankfurt/frankfurt_000000_000294_gtFine_labelIds.png").unlink()
    with pytest.raises(SourceError, match=r"gtFine.val: no labels for frankfurt_000000_000294 \(1 of 3 images\)"):
        cityscapes(root, "val")
    with pytest.raises(SourceError, match=r"no labels for frankfurt_000000_000294 \(30 of 90 images\)"):
        cityscapes_clips(root, "val")


def test_frames_beyond_a_snippet(root, write):
    write(root / "leftImg8bit_sequence/val/frankfurt/frankfurt_000000_000305_leftImg8bit.png")
    with pytest.raises(SourceError, match=r"no labels for frankfurt_000000_000305 \(1 of 91 images\)"):
        cityscapes_clips(root, "val")


def test_no_sequences(root):
    (root / "leftImg8bit_sequence").rename(root / "other")
    with pytest.raises(SourceError, match=r"looked for leftImg8bit_sequence/val.*found gtFine/, leftImg8bit/, other/"):
        cityscapes_clips(root, "val")
    clips = cityscapes_clips(root, "val", stills=True)
    assert clips.notes == ("single frames: no leftImg8bit_sequence",)
    assert [(len(clip), clip.labelled) for clip in clips.clips] == [(1, (0,))] * 3


@pytest.mark.parametrize("load", [cityscapes, cityscapes_clips])
def test_wrong_folders(root, load):
    with pytest.raises(SettingError, match="keeps the labels of its test images"):
        load(root, "test")
    with pytest.raises(SourceError, match=r"looked for leftImg8bit_sequence/train|no split train of Cityscapes"):
        load(root, "train")
    with pytest.raises(SourceError, match=r"no split val of Cityscapes; looked for gtFine/val/CITY.*; found val/"):
        load(root / "gtFine", "val")
    (root / "gtFine" / "val").rename(root / "gtFine" / "other")
    with pytest.raises(SourceError, match=r"found gtFine/, leftImg8bit/.*gtFine.val: no such folder"):
        load(root, "val")


def test_snippets(tmp_path, write):
    for name in ("b", "a"):
        for i in range(30):
            write(tmp_path / name / "frames" / f"{name}_000000_{i:06}_leftImg8bit.jpg")
        write(tmp_path / name / "gt" / f"{name}_000000_000019_gtFine_labelIds.png", 33)
    clips = cityscapes_clips(tmp_path, "val")
    assert clips.name == "cityscapes-snippets"
    assert [(clip.name, len(clip), clip.labelled) for clip in clips.clips] == [("a", 30, (19,)), ("b", 30, (19,))]
    assert (cityscapes(tmp_path)[1][1] == CLASSES.index("bicycle")).all()
    for load in (cityscapes, cityscapes_clips):
        with pytest.raises(SettingError, match=r"split foo: the snippets in .* are in no split; choose train or val"):
            load(tmp_path, "foo")
    (tmp_path / "val").mkdir()
    (tmp_path / "a").rename(tmp_path / "val" / "a")
    assert [clip.name for clip in cityscapes_clips(tmp_path, "val").clips] == ["a"]
    (tmp_path / "val").rename(tmp_path / "foo")
    assert [clip.name for clip in cityscapes_clips(tmp_path, "foo").clips] == ["a"]


def test_real_snippets(shared):
    clips = cityscapes_clips(shared / "cityscapes", "val")
    check(clips)
    assert [(len(c), c.size, c.fps, c.labelled) for c in clips.clips] == [(30, (1024, 2048), 17.0, (19,))] * 3
    rgb, labels = cityscapes(shared / "cityscapes")[0]
    assert rgb.shape == (1024, 2048, 3)
    assert (labels != 255).mean() > 0.8
