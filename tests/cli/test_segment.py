"""``taplab segment``: what the command line and a file of settings ask for, and what makes no sense together."""

import json
import sys

import pytest
from PIL import Image
from typer.testing import CliRunner

from taplab.cli import segment  # noqa: F401 - it registers itself
from taplab.cli.app import app


@pytest.fixture
def run(make_clip, tmp_path):
    """``run(*options)``: on a clip, with a small network; the result, and the summary if there is one."""

    def run(*args):
        how = ["segment", make_clip("h264", gop=30), "-o", tmp_path / "out", "--model", "bl2-synthetic"]
        result = CliRunner().invoke(app, [str(a) for a in (*how, "--save", "", "--max-frames", 14, *args)])
        summary = tmp_path / "out" / "summary.json"
        return result, json.loads(summary.read_text()) if summary.exists() else {}

    return run


@pytest.fixture
def settings(tmp_path):
    def write(text):
        (tmp_path / "taplab.toml").write_text(text)
        return "--config", tmp_path / "taplab.toml"

    return write


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--mode", "offline", "--region", "96x96"], "--region: needs rgc"),
        (["--modules", "ffw", "--mode", "paper", "--alpha", "0.5"], "--alpha: needs rgc"),
        (["--modules", "ffw", "--thr-rgfs", "5"], "--thr-rgfs: needs rgfs"),
        (
            ["--mode", "itp", "--motion", "refined"],
            "--motion: mode itp does not follow the stream's motion; leave it out",
        ),
        (["--mode", "per-frame", "--interval", "6"], "--interval: mode per-frame runs the network on every frame"),
        (["--mode", "live", "--lanes", "4"], "--lanes: mode live, that of streams, answers one frame after another"),
        (["--quality", "1", "--thr-rgfs", "5"], "--thr-rgfs: with --budget, --quality"),
        (["--target-fps", "5", "--lanes", "2"], "--lanes: mode live"),
        (["--target-fps", "5", "--processes", "2"], "target_fps is kept by one process; leave out processes"),
        (["--keep-all"], "--keep-all: "),
        (["--reconnect", "5"], "--reconnect: "),
        (["--timeout", "5"], "--timeout: "),
    ],
)
def test_options_that_mean_nothing_are_refused(run, given, says):
    result, summary = run(*given)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"taplab: error: {says}")
    assert not summary


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--modules", "ffw,rgc", "--alpha", "0.5"], "--alpha: mode live, that of streams, chooses"),
        (["--modules", "ffw,rgc", "--thr-rgc", "20"], "--thr-rgc: mode live, that of streams, chooses"),
        (["--lanes", "2"], "--lanes: mode live, that of streams, answers"),
    ],
)
def test_automatic_mode_of_a_stream_is_live(tmp_path, given, says):
    """Before anybody waits for the stream."""
    how = ["segment", "rtsp://127.0.0.1:9/x", "-o", str(tmp_path / "out"), *given]
    result = CliRunner().invoke(app, how)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"taplab: error: {says}")


def test_what_cannot_be_saved_is_refused_at_once(run, monkeypatch):
    result, summary = run("--save", "masks,boxes")
    assert (result.exit_code, summary) == (2, {})
    assert result.stderr == "taplab: error: save 'boxes': choose from overlay, masks, scores, coco, jsonl\n"
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    result, summary = run("--save", "coco")
    assert (result.exit_code, summary) == (2, {})
    assert result.stderr == "taplab: error: --save: COCO files need pycocotools: pip install 'taplab[coco]'\n"


def test_all_that_can_be_saved(run, tmp_path):
    pytest.importorskip("pycocotools")
    result, _ = run("--save", "overlay,masks,scores,coco,jsonl")
    assert result.exit_code == 0, result.stderr
    files = ["coco.json", "frames.jsonl", "masks", "overlay.mp4", "scores", "summary.json"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == files
    assert len(list((tmp_path / "out/scores").iterdir())) == len(list((tmp_path / "out/masks").iterdir())) == 14


def test_one_dial_by_two_names(run):
    for name in ("--quality", "--max-loss"):
        result, summary = run(name, 2)
        assert result.exit_code == 0, result.stderr
        assert summary["asked"] == {"quality": 2.0}


def test_a_dial_in_a_file_and_one_that_wins_over_it(run, settings):
    assert run(*settings("quality = 2\n"))[1]["asked"] == {"quality": 2.0}
    assert run(*settings("max_loss = 2\n"), "--budget", 0.5)[1]["asked"] == {"budget": 0.5}


def test_a_file_may_hold_what_the_mode_cannot_use(run, settings):
    result, summary = run(*settings('budget = 0.5\nthr_rgc = 20\nmodules = "ffw,rgc"\n'), "--mode", "paper")
    assert result.exit_code == 0, result.stderr
    assert summary["asked"] == {}
    assert "taplab.toml: not used: budget: mode paper has nothing to choose" in summary["notes"][0]
    for asked, modules in (("budget = 0.5", ["ffw", "rgc"]), ("quality = 1", ["ffw"])):
        result, summary = run(*settings(f'mode = "live"\n{asked}\nmodules = "ffw,rgc"\n'))
        assert (result.exit_code, summary["modules"]) == (0, modules)
    result, summary = run(*settings('region = "96x96"\nmodules = "ffw,rgc"\n'), "--mode", "offline")
    assert result.exit_code == 0, result.stderr
    assert (summary["mode"], summary["modules"]) == ("offline", ["ffw"])


def test_what_was_measured_with_another_network_is_told(run, settings):
    text = "disagreement_offline = 200\n"
    assert run(*settings(text))[1]["predicted_loss"] > 50
    result, summary = run(*settings(f'{text}disagreement_model = "bl1-camvid 0123456789ab"\n'))
    assert summary["predicted_loss"] < 50
    assert "was measured with bl1-camvid, not with bl2-synthetic" in result.stderr
    assert len(summary["notes"]) == 1


def test_an_early_interruption_claims_nothing(run, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("taplab.Segmenter.run", interrupted)
    result, _ = run()
    assert (result.exit_code, result.stderr) == (130, "taplab: interrupted; no frame was done\n")
    monkeypatch.setattr("taplab.load_model", interrupted)
    result, _ = run()
    assert (result.exit_code, result.stderr) == (130, "taplab: interrupted\n")


def test_a_broken_image_is_told_in_one_line(drive, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    for i in range(4):
        Image.fromarray(drive[i][0]).save(images / f"{i}.png")
    (images / "2.png").write_bytes(b"no image")
    how = ["segment", images, "-o", tmp_path / "out", "--model", "bl2-synthetic", "--save", "masks"]
    result = CliRunner().invoke(app, [str(a) for a in how])
    assert result.exit_code == 0
    told = "taplab: warning: the stream is damaged (2.png cannot be read as an image): 1 frame lost or doubtful"
    assert [line for line in result.stderr.splitlines() if line.startswith("taplab")] == [told]
    assert sorted(f.name for f in (tmp_path / "out/masks").iterdir()) == [f"{i:06d}.png" for i in (0, 1, 3)]


def test_processes_share_a_file(run):
    result, summary = run("--processes", 2, "--mode", "paper", "--save", "masks,overlay")
    assert result.exit_code == 0, result.output
    assert summary["frames"] == 14
    result, _ = run("--processes", 0)
    assert result.exit_code == 2
