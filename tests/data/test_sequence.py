"""A folder of frames beside a folder of labels."""

import numpy as np
import pytest

from taplab.data.check import check
from taplab.data.classes import CAMVID, CITYSCAPES
from taplab.data.sequence import sequence, sequence_clips
from taplab.errors import SettingError, SourceError


@pytest.fixture
def folders(tmp_path, write):
    for i in range(4):
        write(tmp_path / "drive" / f"{i}.png", (i, 0, 0))
        write(tmp_path / "labels" / f"{i}.png", i)
    return tmp_path / "drive", tmp_path / "labels"


def test_stills_and_clip(folders):
    data = sequence(*folders, "camvid")
    assert data.classes == CAMVID.names
    assert [int(labels[0, 0]) for _, labels in data] == [0, 1, 2, 3]
    clips = sequence_clips(*folders, "camvid", fps=12)
    assert (clips.name, clips.palette, clips.notes) == ("drive", CAMVID.palette, ())
    (clip,) = clips.clips
    assert (clip.fps, clip.size, clip.labelled) == (12, (6, 8), (0, 1, 2, 3))


def test_frames_without_labels(folders):
    for i in (0, 1, 3):
        (folders[1] / f"{i}.png").unlink()
    clips = sequence_clips(*folders)
    assert clips.clips[0].labelled == (2,)
    assert clips.notes == ("1 of 4 frames have labels",)
    with pytest.raises(SourceError, match=r"no labels for 0\.png \(3 of 4"):
        sequence(*folders)


def test_no_labels_at_all(folders):
    for i in range(4):
        (folders[1] / f"{i}.png").unlink()
    with pytest.raises(SourceError, match="labels: no images in it"):
        sequence_clips(*folders)


def test_labels_without_a_frame(folders, write):
    write(folders[1] / "9.png", 0)
    with pytest.raises(SourceError, match=r"9\.png: labels without an image in .*drive"):
        sequence_clips(*folders)


def test_classes_from_a_file(folders, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("a\nb\nc\nd\n")
    check(sequence_clips(*folders, names))
    names.write_text("a\nb\nc\n")
    with pytest.raises(SourceError, match=r"3\.png: id 3 "):
        check(sequence_clips(*folders, names))


def test_cityscapes_label_ids_and_train_ids(tmp_path, write):
    write(tmp_path / "i" / "x_leftImg8bit.png")
    label = write(tmp_path / "l" / "x_gtFine_labelIds.png", 7)
    clips = sequence_clips(tmp_path / "i", tmp_path / "l", "cityscapes", fps=17)
    assert clips.classes == CITYSCAPES.names
    assert (clips.clips[0].truth(0) == 0).all()
    label.rename(tmp_path / "l" / "x_gtFine_labelTrainIds.png")
    assert (sequence(tmp_path / "i", tmp_path / "l", "cityscapes")[0][1] == 7).all()


def test_camvid_colours_or_ids(folders, write):
    write(folders[1] / "0.png", (64, 0, 192))  # CartLuggagePram
    write(folders[1] / "1.png", 11)
    read = [int(labels[0, 0]) for _, labels in sequence(*folders, "camvid")]
    assert read == [CAMVID.names.index("pedestrian"), 255, 2, 3]


@pytest.mark.parametrize("fps", [0, -1, float("nan")])
def test_refused(folders, fps):
    with pytest.raises(SettingError, match="fps="):
        sequence_clips(*folders, fps=fps)


def test_real_sequence(shared):
    clips = sequence_clips(shared / "camvid" / "sequence", shared / "camvid" / "sequenceannot", "camvid")
    check(clips)
    (clip,) = clips.clips
    assert (len(clip), len(clip.labelled), clip.size) == (61, 61, (360, 480))
    assert set(np.unique(clip.truth(0))) <= {*range(11), 255}
