"""The commands, called within this process with real files (``test_process`` starts real ones)."""

import json

import pytest
from PIL import Image
from typer.testing import CliRunner

from taplab.cli import calibrate, demo, doctor, evaluate, inspect, segment, train  # noqa: F401 - they register
from taplab.cli.app import app


def taplab(*args):
    return CliRunner().invoke(app, [*map(str, args)])


def refused(result, *says, status=1):
    assert result.exit_code == status, result.stderr
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("taplab: error: ")
    for words in says:
        assert words in line


def test_one_dial(make_clip, tmp_path):
    clip, how = make_clip("h264", gop=30), ["-o", tmp_path, "--model", "bl2-synthetic", "--save", "masks"]
    result = taplab("segment", clip, *how, "--quality", 1)
    assert result.exit_code == 0, result.stderr
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["asked"], summary["mode"], summary["interval"]) == ({"quality": 1.0}, "offline", 24)
    assert 0 <= summary["predicted_loss"] <= 1
    assert f"predicted loss {summary['predicted_loss']:.1f} points of mIoU" in result.stdout
    assert taplab("segment", clip, *how, "--target-fps", 5, "--interval", 30).exit_code == 0
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["asked"], summary["mode"], summary["interval"]) == ({"target_fps": 5.0}, "live", 30)


def test_bad_dials(make_clip, tmp_path):
    clip, out = make_clip("mpeg4"), ["-o", tmp_path / "out", "--model", "bl2-synthetic"]
    for given, *says in (
        (["--budget", 0.1, "--quality", 1], "budget and quality: give only one"),
        (["--budget", 0], "budget 0: must lie in 0.01..1"),
        (["--budget", 0.05, "--interval", 12], "budget 0.05: a key frame every 12 frames costs more", "20 or more"),
        (["--quality", -1], "quality -1: must lie in 0..100"),
        (["--target-fps", 0], "target_fps 0: must be a number above 0"),
        (["--target-fps", 25, "--mode", "offline"], "target_fps: mode offline looks ahead", "use mode live"),
        (["--quality", 1, "--mode", "per-frame"], "quality: mode per-frame has nothing to choose"),
        (["--budget", 0.1, "--mode", "paper"], "budget: mode paper has nothing to choose"),
    ):
        refused(taplab("segment", clip, *out, *given), *says, status=2)
    assert not (tmp_path / "out").exists()


def test_verbose(make_clip, tmp_path):
    how = ["-o", tmp_path, "--model", "bl2-synthetic", "--max-frames", 3, "--save", "masks", "-v"]
    assert "     1  P  warped" in taplab("segment", make_clip("mpeg4"), *how).stderr
    assert "Traceback" in taplab("segment", tmp_path / "none.mp4", *how).stderr


def test_inspect(make_clip, tmp_path):
    result = taplab("inspect", make_clip("h264", ".mp4", options={"bf": "2"}), "-o", tmp_path)
    assert result.exit_code == 0, result.stderr
    assert "h264, 192x144" in result.stdout
    assert "times faster" in result.stdout
    for name in ("motion.png", "residual.png", "timeline.png", "frame.png"):
        with Image.open(tmp_path / name) as picture:
            assert picture.width >= 192
    assert taplab("inspect", make_clip("mpeg4"), "-o", tmp_path).exit_code == 0  # its own pictures, made anew
    none = taplab("inspect", make_clip("hevc", ".mkv"))
    assert "motion of 27 frames without vectors of hevc" in none.stdout
    assert "motion vectors" not in none.stdout


def test_inspect_leaves_the_files_of_others(make_clip, write, tmp_path):
    images = tmp_path / "images"
    write(images / "frame.png", size=(16, 16))
    for source, out, why in (
        (images / "frame.png", images, "its files are what is to be inspected"),
        (images, images, "its files are what is to be inspected"),
        (make_clip("mpeg4"), images, "frame.png: is there already, and taplab did not write it"),
    ):
        before = (images / "frame.png").read_bytes()
        refused(taplab("inspect", source, "-o", out), why)
        assert (images / "frame.png").read_bytes() == before
        assert len(list(images.iterdir())) == 1


@pytest.mark.parametrize("name", ["drive.mp4", "overlay.mp4", "demo.png"])
def test_demo_leaves_the_files_of_others(tmp_path, name):
    (tmp_path / name).write_text("mine")
    refused(taplab("demo", "-o", tmp_path), f"{name}: is there already, and taplab did not write it")
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [(name, "mine")]


def test_demo(tmp_path):
    result = taplab("demo", "-o", tmp_path, "--frames", 24, "--height", 128, "--width", 192)
    assert result.exit_code == 0, result.stderr
    assert "per-frame" in result.stdout
    assert "paper ffw" in result.stdout
    assert {"drive.mp4", "overlay.mp4", "masks", "summary.json", "demo.png"} <= {p.name for p in tmp_path.iterdir()}
    again = taplab("demo", "-o", tmp_path, "--frames", 13, "--height", 64, "--width", 96, "-q")
    assert again.exit_code == 0, again.stderr


def test_doctor():
    result = taplab("doctor")
    assert result.exit_code == 0, result.stdout
    assert "all checks passed" in result.stdout


def test_eval_sequence(drive, tmp_path):
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    for i in range(14):
        rgb, labels = drive[i]
        Image.fromarray(rgb).save(tmp_path / f"images/{i:03d}.png")
        Image.fromarray(labels).save(tmp_path / f"labels/{i:03d}.png")
    where = ["--images", tmp_path / "images", "--labels", tmp_path / "labels"]
    result = taplab(
        "eval", "sequence", *where, "--model", "bl2-synthetic", "--phases", 2, "--json", tmp_path / "scores.json"
    )
    assert result.exit_code == 0, result.stderr
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert [s["mode"] for s in scores] == ["per-frame", "paper", "live", "offline"]
    wanted = "mode modules gop interval miou iou pixel_accuracy network_cost fps miou_by_distance frames"
    assert {*wanted.split(), "temporal_consistency"} <= set(scores[0])
    assert scores[0]["miou"] > 0.4
    assert abs(scores[0]["miou"] - scores[1]["miou"]) < 0.05
    assert {"boundary_iou", "network_fps", "seconds"} <= set(scores[0])
    refused(taplab("eval", "sequence", *where, "--phases", "many"), "--phases many", status=2)
    (tmp_path / "labels/003.png").rename(tmp_path / "labels/099.png")
    refused(taplab("eval", "sequence", *where), "099.png")


def test_bad_sources(make_clip, tmp_path):
    out = ["-o", tmp_path / "out"]
    refused(taplab("segment", tmp_path / "none.mp4", *out), "none.mp4", "no such file")
    (tmp_path / "empty").mkdir()
    refused(taplab("segment", tmp_path / "empty", *out), "empty", "no images")
    (tmp_path / "text.mp4").write_text("hello")
    refused(taplab("segment", tmp_path / "text.mp4", *out), "text.mp4", "not a video")
    (tmp_path / "zero.mp4").touch()
    refused(taplab("segment", tmp_path / "zero.mp4", *out), "zero.mp4", "not a video")
    assert not (tmp_path / "out").exists()


def test_bad_settings(make_clip, tmp_path):
    clip = make_clip("mpeg4")
    out = ["-o", tmp_path / "out"]
    refused(taplab("segment", clip, *out, "--model", "bl7"), "bl7", "bl2-camvid")
    refused(taplab("segment", clip, *out, "--mode", "fast"), "fast", "per-frame", status=2)
    refused(taplab("segment", clip, *out, "--modules", "rgc"), "ffw", status=2)
    refused(taplab("segment", clip, *out, "--thr-rgfs", "much"), "much", "3.6e7sum", status=2)
    refused(taplab("segment", clip, *out, "--save", "gif"), "gif", "overlay", status=2)
    refused(taplab("segment", clip, *out, "--device", "mps"), "mps", "cpu and cuda")
    refused(taplab("train", "camvid", *out), "--root", status=2)
    refused(taplab("segment", clip, *out, "--device", "cuda:77"), "cuda")
    (tmp_path / "file").touch()
    refused(taplab("segment", clip, "-o", tmp_path / "file"), "file", "another folder")
    assert taplab("segment", clip).exit_code == 2
    assert taplab("segment", clip, *out, "--interval", "0").exit_code == 2


def test_a_cut_video_is_segmented_up_to_the_break(make_clip, tmp_path):
    whole = make_clip("mpeg4", ".avi").read_bytes()
    (tmp_path / "cut.avi").write_bytes(whole[: len(whole) // 2])
    result = taplab("segment", tmp_path / "cut.avi", "-o", tmp_path / "out", "--model", "bl2-synthetic")
    assert result.exit_code == 0, result.stderr
    assert "damaged" in result.stderr
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert 5 < summary["frames"] < 30
    assert summary["damaged"] >= 30 - summary["frames"]
    assert summary["broke_off"]
