"""Class lists."""

import pytest

from taplab.data.classes import (
    CAMVID,
    CAMVID_COLOURS,
    CITYSCAPES,
    CITYSCAPES_LABEL_IDS,
    CITYSCAPES_LAST_ID,
    class_list,
    named,
)
from taplab.errors import SettingError, SourceError


def test_known_lists():
    assert class_list("camvid") is CAMVID
    assert class_list("cityscapes") is CITYSCAPES
    assert len(CAMVID.names) == len(CAMVID.palette) == 11
    assert len(CITYSCAPES.names) == len(CITYSCAPES.palette) == len(CITYSCAPES_LABEL_IDS) == 19
    assert max(CITYSCAPES_LABEL_IDS) == CITYSCAPES_LAST_ID


def test_camvid_colours_cover_32_classes_and_11_groups():
    names, groups = zip(*CAMVID_COLOURS.values(), strict=True)
    assert len(set(names)) == len(CAMVID_COLOURS) == 32
    assert set(groups) == {*CAMVID.names, None}


def test_file(tmp_path):
    file = tmp_path / "classes.txt"
    file.write_text("road\n\n sky \n")
    assert class_list(file).names == ("road", "sky")
    assert len(class_list(str(file)).palette) == 2
    file.write_text("road\nsky\n", "utf-8-sig")  # as Windows' editors write it
    assert class_list(file).names == ("road", "sky")


def test_names_of_a_known_list_have_its_palette_and_void():
    assert named(list(CAMVID.names)) is CAMVID
    assert named(["a", "b", "c"]).void == (255,)


def test_refused(tmp_path):
    with pytest.raises(SettingError, match="classes camvit: write camvid, cityscapes, or a text file"):
        class_list("camvit")
    file = tmp_path / "classes.txt"
    for text, says in (
        ("", "0 class names"),
        ("road\n", "1 class name; write 2 to 255"),
        ("a\na\n", "'a' is named twice"),
        ("\n".join(map(str, range(256))), "256"),
    ):
        file.write_text(text)
        with pytest.raises(SourceError, match=says):
            class_list(file)
    file.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(SourceError, match=r"classes\.txt: cannot be read"):
        class_list(file)
