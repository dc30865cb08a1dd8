"""What a run may remove, and what it must leave."""

import json
import os

import pytest

from taplab import PaperSettings, Segmenter
from taplab.errors import OutputError

FFW = PaperSettings(("ffw",))


def test_a_shorter_run_removes_the_masks_of_a_longer_one(make_clip, model, tmp_path):
    clip = make_clip("mpeg4")
    Segmenter(model, settings=FFW).run(clip, tmp_path, save=("masks",))
    Segmenter(model, settings=FFW).run(clip, tmp_path, save=("masks",), max_frames=4)
    assert len(list((tmp_path / "masks").iterdir())) == 4


def test_nothing_of_an_earlier_run_stays(make_clip, model, tmp_path):
    clip = make_clip("mpeg4")
    Segmenter(model, settings=FFW).run(clip, tmp_path, max_frames=4)
    Segmenter(model, settings=FFW).run(clip, tmp_path, save=("masks",), max_frames=2)
    assert not (tmp_path / "overlay.mp4").exists()
    assert len(list((tmp_path / "masks").iterdir())) == 2


def test_what_an_earlier_run_saved_goes_and_what_it_did_not_stays(make_clip, model, tmp_path):
    clip = make_clip("mpeg4")
    mine = tmp_path / "coco.json"
    mine.write_text("precious")
    Segmenter(model).run(clip, tmp_path, save=("scores", "jsonl"), max_frames=2)
    assert json.loads((tmp_path / "summary.json").read_text())["saved"] == ["scores", "jsonl"]
    Segmenter(model).run(clip, tmp_path, save=(), max_frames=2)
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["coco.json", "summary.json"]
    assert mine.read_text() == "precious"


def test_what_a_run_left_that_was_killed_goes(make_clip, model, tmp_path):
    """Killed, it could not clear up: files that were being written have names of their own."""
    clip = make_clip("mpeg4")
    Segmenter(model).run(clip, tmp_path, save=("overlay", "masks", "scores"), max_frames=2)
    said = json.loads((tmp_path / "summary.json").read_text())
    (tmp_path / "summary.json").write_text(json.dumps(said | {"saved": ["overlay", "masks", "scores", "coco"]}))
    (tmp_path / "overlay.mp4").rename(tmp_path / "overlay.mp4.part")
    (tmp_path / "coco.json.part").touch()
    for name in ("masks/.part-99-000002.png", "scores/.part-99-000002.npy"):
        (tmp_path / name).touch()
    (tmp_path / "scores/mine.txt").touch()
    Segmenter(model).run(clip, tmp_path, save=("jsonl",), max_frames=2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["frames.jsonl", "scores", "summary.json"]
    assert [p.name for p in (tmp_path / "scores").iterdir()] == ["mine.txt"]


def test_files_of_others_are_never_removed(make_clip, model, tmp_path):
    clip = make_clip("mpeg4")
    for name in ("overlay.mp4", "masks/000000.png", "masks/000031.png", "frames.jsonl", "scores/000002.npy"):
        mine = tmp_path / name.replace("/", "-") / name
        mine.parent.mkdir(parents=True)
        mine.write_bytes(b"precious")
        with pytest.raises(OutputError, match="did not write it"):
            Segmenter(model).run(clip, tmp_path / name.replace("/", "-"), save=("overlay", "masks", "jsonl", "scores"))
        assert mine.read_bytes() == b"precious"


@pytest.mark.parametrize("content", [b"my notes", b"{}", b"[1, 2]", None])
def test_another_s_summary_stays(make_clip, model, tmp_path, content):
    mine = tmp_path / "summary.json"
    if content is None:
        mine.mkdir()
    else:
        mine.write_bytes(content)
    with pytest.raises(OutputError, match=r"summary\.json: is there already, and taplab did not write it"):
        Segmenter(model).run(make_clip("mpeg4"), tmp_path, max_frames=2)
    assert mine.is_dir() if content is None else mine.read_bytes() == content
    assert [p.name for p in tmp_path.iterdir()] == ["summary.json"]


@pytest.mark.skipif(os.name == "nt", reason="has no locks for folders")
def test_two_runs_do_not_write_into_one_folder(make_clip, model, tmp_path):
    said = []

    def again(run, result):
        with pytest.raises(OutputError, match="another run writes there; wait for it, or give another -o") as error:
            Segmenter(model).run(make_clip("mpeg4"), tmp_path, max_frames=1)
        said.append(str(error.value))

    summary = Segmenter(model).run(make_clip("mpeg4"), tmp_path, max_frames=2, on_frame=again)
    assert (len(said), summary.frames, len(list((tmp_path / "masks").iterdir()))) == (2, 2, 2)
    Segmenter(model).run(make_clip("mpeg4"), tmp_path, max_frames=1)  # then it is free


def test_a_folder_that_is_none_is_told(make_clip, model):
    with pytest.raises(OutputError, match="out None: give a folder"):
        Segmenter(model).run(make_clip("mpeg4"), None)


def test_a_run_does_not_remove_its_own_source(make_clip, model, tmp_path):
    Segmenter(model).run(make_clip("mpeg4"), tmp_path, max_frames=3)
    for source in (tmp_path / "overlay.mp4", tmp_path / "masks"):
        with pytest.raises(OutputError, match="to be segmented"):
            Segmenter(model).run(source, tmp_path)
    assert (tmp_path / "overlay.mp4").exists()
    assert len(list((tmp_path / "masks").iterdir())) == 3


def test_nor_where_it_is_named_otherwise(make_clip, model, tmp_path):
    Segmenter(model).run(make_clip("mpeg4"), tmp_path, max_frames=3)
    listed = tmp_path / "list.ffconcat"
    listed.write_text("ffconcat version 1.0\nfile 'overlay.mp4'\nfile overlay.mp4\n")
    for source in (f"file:{tmp_path}/overlay.mp4", listed):
        with pytest.raises(OutputError, match="to be segmented"):
            Segmenter(model).run(source, tmp_path)
    assert (tmp_path / "overlay.mp4").exists()


def test_frames_beyond_a_million_are_known(make_clip, model, tmp_path):
    clip = make_clip("mpeg4")
    Segmenter(model).run(clip, tmp_path, save=("masks",), max_frames=1)
    (tmp_path / "masks/1000000.png").touch()
    Segmenter(model).run(clip, tmp_path, save=("masks",), max_frames=1)
    assert [file.name for file in (tmp_path / "masks").iterdir()] == ["000000.png"]


def test_what_cannot_be_removed_is_told(make_clip, model, tmp_path):
    clip = make_clip("mpeg4")
    Segmenter(model).run(clip, tmp_path, save=("masks",), max_frames=1)
    (tmp_path / "masks/000003.png").mkdir()
    with pytest.raises(OutputError, match=r"000003\.png: cannot be removed .*; give another folder"):
        Segmenter(model).run(clip, tmp_path, save=("masks",), max_frames=1)


def test_a_folder_without_a_name(make_clip, model):
    with pytest.raises(OutputError, match="its name is empty"):
        Segmenter(model).run(make_clip("mpeg4"), "")
