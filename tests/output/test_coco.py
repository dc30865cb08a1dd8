import json
import sys

import numpy as np
import pytest
from PIL import Image

from taplab import MissingExtraError, Segmenter
from taplab.output.coco import CocoWriter

tools = pytest.importorskip("pycocotools.coco")
CLASSES = ("sky", "road", "Bäume")


def opened(file):
    return tools.COCO(str(file))


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # in pycocotools' own decoding
def test_annotations_are_the_masks(make_clip, model, tmp_path):
    Segmenter(model).run(make_clip("mpeg4"), tmp_path, save=("masks", "coco"), max_frames=5)
    coco = opened(tmp_path / "coco.json")
    assert [coco.cats[k]["name"] for k in sorted(coco.cats)] == ["dark", "middle", "bright"]
    assert sorted(coco.imgs) == list(range(5))
    for image in coco.imgs.values():
        mask = np.asarray(Image.open(tmp_path / "masks" / image["file_name"]))
        assert mask.shape == (image["height"], image["width"])
        found = np.full(mask.shape, 255, np.uint8)
        for annotation in coco.imgToAnns[image["id"]]:
            where = coco.annToMask(annotation).astype(bool)
            found[where] = annotation["category_id"]
            assert annotation["area"] == where.sum()
            rows, columns = np.flatnonzero(where.any(1)), np.flatnonzero(where.any(0))
            left, top, width, height = annotation["bbox"]
            assert (top, top + height - 1, left, left + width - 1) == (rows[0], rows[-1], columns[0], columns[-1])
        assert np.array_equal(found, mask)
    assert not (tmp_path / "coco.json.part").exists()


def test_pixels_of_no_class_have_no_annotation(tmp_path, result_of, grey):
    labels = np.full((4, 6), 255, np.uint8)
    with CocoWriter(tmp_path / "coco.json", CLASSES) as writer:
        writer.write(result_of(0, grey(6, 4), labels))
        labels = labels.copy()
        labels[1:3, 2] = 2
        writer.write(result_of(1, grey(6, 4), labels))
    said = json.loads((tmp_path / "coco.json").read_text("utf-8"))
    assert [(a["image_id"], a["category_id"], a["bbox"]) for a in said["annotations"]] == [(1, 2, [2, 1, 1, 2])]
    assert said["categories"][2]["name"] == "Bäume"
    assert len(said["images"]) == 2


def test_masks_lie_upright(tmp_path, result_of, grey):
    labels = np.zeros((4, 6), np.uint8)
    labels[0, 5] = 1
    result = result_of(0, grey(6, 4), labels)
    result.frame.turns = 1
    with CocoWriter(tmp_path / "coco.json", CLASSES) as writer:
        writer.write(result)
    said = json.loads((tmp_path / "coco.json").read_text())
    assert (said["images"][0]["height"], said["images"][0]["width"]) == (6, 4)
    assert said["annotations"][1]["bbox"] == [0, 0, 1, 1]


def test_no_frame_is_a_file_too(tmp_path):
    writer = CocoWriter(tmp_path / "coco.json", CLASSES)
    writer.close()
    writer.close()
    assert json.loads((tmp_path / "coco.json").read_text())["annotations"] == []


def test_what_is_not_whole_has_no_name(tmp_path, result_of, grey):
    def broken():
        with CocoWriter(tmp_path / "coco.json", CLASSES) as writer:
            writer.write(result_of(0, grey(6, 4), np.zeros((4, 6), np.uint8)))
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        broken()
    assert not list(tmp_path.iterdir())


def test_the_missing_extra_names_the_install_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pycocotools.mask", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'taplab\[coco\]'"):
        CocoWriter(tmp_path / "coco.json", CLASSES)
    assert not list(tmp_path.iterdir())
