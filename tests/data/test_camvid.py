"""CamVid: class ids at 360x480, colours at 720x960."""

import pytest

from taplab.data.camvid import CLASSES, camvid, camvid_clips, division
from taplab.data.check import check
from taplab.errors import SettingError, SourceError

TRAIN, VAL, TEST = "0006R0_f00930", [f"0016E5_{n:05}" for n in (7959, 7961, 7963)], "Seq05VD_f00000"


@pytest.fixture
def tree(tmp_path, write):
    """val: three images that follow each other, of class ids. train: two that do not."""
    for i, stem in enumerate(VAL):
        write(tmp_path / "val" / f"{stem}.png", (i, i, i))
        write(tmp_path / "valannot" / f"{stem}.png", i)
    for stem in (TRAIN, "0006R0_f00960"):
        write(tmp_path / "train" / f"{stem}.png")
        write(tmp_path / "trainannot" / f"{stem}.png", 11)
    return tmp_path


@pytest.fixture(params=[("701_StillsRaw_full", "LabeledApproved_full", "_L"), ("images", "labels", "")])
def raw(request, tmp_path, write):
    """One folder of stills and one of labels in colours."""
    images, labels, ending = request.param
    for stem in (TRAIN, *VAL, TEST):
        write(tmp_path / images / f"{stem}.png")
        write(tmp_path / labels / f"{stem}{ending}.png", (64, 192, 0))  # Wall
    return tmp_path


def test_tree_of_ids(tree):
    data = camvid(tree, "val")
    assert [int(labels[0, 0]) for _, labels in data] == [0, 1, 2]
    assert (camvid(tree, "train")[0][1] == 255).all()


def test_tree_with_colours(tree, write):
    for file in (tree / "valannot").iterdir():
        write(tree / "val_labels" / f"{file.stem}_L.png", (0, 0, 0))
        file.unlink()
    (tree / "valannot").rmdir()
    assert (camvid(tree, "val")[0][1] == 255).all()


def test_unknown_id(tree, write):
    write(tree / "valannot" / f"{VAL[1]}.png", 12)
    with pytest.raises(SourceError, match=rf"{VAL[1]}\.png: id 12 .* 0 to 11, 255"):
        check(camvid(tree, "val"))


def test_labels_in_a_row_are_one_clip(tree):
    clips = camvid_clips(tree, "val")
    assert (clips.name, clips.classes, clips.notes) == ("camvid-val", CLASSES, ())
    (clip,) = clips.clips
    assert (clip.name, len(clip), clip.fps, clip.labelled) == (VAL[0], 3, 15.0, (0, 1, 2))
    assert (clip.truth(2) == 2).all()


def test_a_gap_or_another_step_ends_a_clip(tree, write):
    for number in (7971, 7972, 7973, 8200):
        write(tree / "val" / f"0016E5_{number:05}.png")
        write(tree / "valannot" / f"0016E5_{number:05}.png", 0)
    write(tree / "val" / "other_00001.png")
    write(tree / "valannot" / "other_00001.png", 0)
    clips = camvid_clips(tree, "val")
    assert [(len(clip), clip.fps) for clip in clips.clips] == [(3, 15.0), (3, 30.0)]
    assert clips.notes == ("2 single frames left out",)
    assert [len(clip) for clip in camvid_clips(tree, "val", stills=True).clips] == [3, 3, 1, 1]
    assert len(camvid_clips(tree, "val", max_clips=1).clips) == 1


def test_no_motion(tree):
    with pytest.raises(SourceError, match=r"no labelled images of train follow each other.*frames; give their folder"):
        camvid_clips(tree, "train")
    clips = camvid_clips(tree, "train", stills=True)
    assert [len(clip) for clip in clips.clips] == [1, 1]
    assert clips.notes == ("2 single frames among the clips",)
    with pytest.raises(SettingError, match="max_clips=0"):
        camvid_clips(tree, "val", max_clips=0)


def test_colours_and_the_known_division(raw):
    assert [f.stem for f in camvid(raw, "train").images] == [TRAIN]
    assert [f.stem for f in camvid(raw, "val").images] == VAL
    data = camvid(raw, "test")
    assert [f.stem for f in data.images] == [TEST]
    assert (data[0][1] == CLASSES.index("building")).all()
    check(data)
    assert len(camvid_clips(raw, "val").clips[0]) == 3


def test_lists_go_before_the_division(raw):
    (raw / "train.txt").write_text(
        f"{TEST}\n/SegNet/CamVid/train/{VAL[0]}.png /SegNet/CamVid/trainannot/{VAL[0]}.png\n"
    )
    assert {f.stem for f in camvid(raw, "train").images} == {TEST, VAL[0]}
    (raw / "train.txt").write_text("0001TP_000000\n")
    with pytest.raises(SourceError, match=r"train\.txt: lists 0001TP_000000, but .* has no such image"):
        camvid(raw, "train")


def test_names_that_do_not_tell_the_split(raw, write):
    images = next(f for f in raw.iterdir() if f.name in ("images", "701_StillsRaw_full"))
    write(images / "00001.png")
    with pytest.raises(
        SourceError, match=r"00001\.png: its name does not tell .* write train\.txt, val\.txt and test\.txt"
    ):
        camvid(raw, "train")


def test_raw_with_something_missing(raw):
    labels = next(f for f in raw.iterdir() if f.name in ("labels", "LabeledApproved_full"))
    with pytest.raises(SettingError, match="split other: choose train, val, test"):
        camvid(raw, "other")
    next(labels.glob(f"{VAL[1]}*")).unlink()
    assert len(camvid(raw, "train")) == 1
    with pytest.raises(SourceError, match=rf"no labels for {VAL[1]}\.png"):
        camvid(raw, "val")
    next(f for f in raw.glob(f"*/{TRAIN}*") if f.parent != labels).unlink()
    next(labels.glob(f"{TRAIN}*")).unlink()
    with pytest.raises(SourceError, match="no image of split train in it"):
        camvid(raw, "train")


@pytest.mark.parametrize("nested", [False, True])
def test_frames_of_the_video(raw, write, nested):
    for number in range(920, 960):
        write(raw / "frames" / ("0006R0" if nested else ".") / f"0006R0_f{number:05}.jpg", (number - 900,) * 3)
    (clip,) = camvid_clips(raw, "train").clips
    assert (clip.name, clip.fps, len(clip), clip.labelled) == (TRAIN, 30.0, 21, (10,))  # 920 .. 930 .. 940
    assert clip.frames[10].stem == TRAIN
    assert (clip.truth(10) == CLASSES.index("building")).all()
    (raw / "frames").rename(raw / "elsewhere")
    assert len(camvid_clips(raw, "train", frames=raw / "elsewhere").clips) == 1
    with pytest.raises(SourceError, match=rf"elsewhere: no video frame {TEST}\.png"):
        camvid_clips(raw, "test", frames=raw / "elsewhere")


def test_thirty_frames_at_most_and_none_beyond_a_gap(raw, write):
    for number in range(900, 960):
        if number != 935:
            write(raw / "frames" / f"0006R0_f{number:05}.png")
    (clip,) = camvid_clips(raw, "train").clips
    assert [clip.frames[0].stem, clip.frames[-1].stem] == ["0006R0_f00911", "0006R0_f00934"]
    assert clip.labelled == (19,)


def test_wrong_folders(tree):
    says = r"no split test of CamVid; looked for test/ with testannot/.*701_StillsRaw_full/.*found train/, trainannot/"
    with pytest.raises(SourceError, match=says):
        camvid(tree, "test")


def test_division_of_the_701():
    """The numbers of SegNet's lists."""
    stems = [f"0001TP_{n:06}" for n in range(6690, 10381, 30)] + [f"0006R0_f{n:05}" for n in range(930, 3931, 30)]
    stems += [f"Seq05VD_f{n:05}" for n in range(0, 5101, 30)] + [f"0016E5_{n:05}" for n in range(7959, 8160, 2)]
    count = {split: sum(division(stem) == split for stem in stems) for split in ("train", "val", "test")}
    assert count == {"train": 367 - 204, "val": 101, "test": 233}  # without the 204 of 0016E5
    assert {division(f"0016E5_{n:05}") for n in (390, 7920, 8190, 8640)} == {"train"}
    assert division("0016E5_07959_L") is None


def test_real_tree(shared):
    data = camvid(shared / "camvid", "train")
    assert len(data) == 367
    assert {division(image.stem) for image in data.images} == {"train"}
    (clip,) = camvid_clips(shared / "camvid", "sequence").clips
    assert (len(clip), clip.fps, len(clip.labelled)) == (61, 15.0, 61)
    assert {division(frame.stem) for frame in clip.frames} == {"val"}
