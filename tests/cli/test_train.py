"""``taplab train`` on small folders in the layouts it knows; Ctrl-C, and many processes, in real ones."""

import csv
import json
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from taplab.cli import models as _models  # noqa: F401  registers the command
from taplab.cli import train as _train  # noqa: F401
from taplab.cli.app import app
from taplab.models.pretrained import read_card

WARP = ["--architecture", "bl2-warp"]
SMALL = ["--width", 0.125, "--batch", 2, "--threads", 1]


def command(*args):
    return [sys.executable, "-m", "taplab", "train", *map(str, args)]


def train(*args):
    """Within this process."""
    return CliRunner().invoke(app, ["train", *map(str, args)])


def refused(result, *says, status):
    assert result.exit_code == status, result.stderr
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("taplab: error: ")
    for words in says:
        assert words in line


def fill(images, labels, count, size=(64, 96), classes=11):
    rng = np.random.default_rng(count)
    for folder in (images, labels):
        folder.mkdir(parents=True)
    for i in range(count):
        Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(images / f"{i:03d}.png")
        Image.fromarray(rng.integers(0, classes, size, dtype=np.uint8)).save(labels / f"{i:03d}.png")


@pytest.fixture(scope="module")
def camvid(tmp_path_factory):
    root = tmp_path_factory.mktemp("camvid")
    fill(root / "train", root / "trainannot", 4)
    fill(root / "held", root / "heldannot", 2)
    return root


def test_camvid_with_the_paper_s_recipe(camvid, tmp_path):
    how = ["camvid", "--root", camvid, "-o", tmp_path, *SMALL, "--steps", 2, "--architecture", "bl1"]
    result = train(*how, "--validation", "held", "--tensorboard")
    assert result.exit_code == 0, result.stderr
    assert "recipe paper" in result.stdout
    assert "cut to 64x96" in result.stdout  # 600x600 is more than these images have
    settings = json.loads((tmp_path / "settings.json").read_text())["settings"]
    assert (settings["name"], settings["rate"], settings["crops"]) == ("paper", 2e-4, [[1.0, [64, 96]]])
    card = read_card(tmp_path / "model.safetensors")
    assert card.architecture == "bl1"
    assert card.origin.startswith("camvid (train, 4 images); recipe paper, ")
    assert card.origin.endswith("seed 0; step 2 of 2")
    with (tmp_path / "log.csv").open() as file:
        assert [bool(row["miou"]) for row in csv.DictReader(file)] == [False, True]
    assert list((tmp_path / "tensorboard").iterdir())


def test_the_recipe_can_be_changed(camvid, tmp_path):
    result = train(
        *("camvid", "--root", camvid, "-o", tmp_path, *SMALL, "--steps", 2, "--recipe", "road"),
        *("--crop", "48x64", "--rate", 0.001, "--seed", 5, "--no-amp"),
    )
    assert result.exit_code == 0, result.stderr
    assert "no validation" in result.stdout  # there is no split val
    settings = json.loads((tmp_path / "settings.json").read_text())["settings"]
    changed = {"crops": [[1.0, [48, 64]]], "rate": 0.001, "seed": 5, "amp": False, "name": "road", "ema": 0.999}
    assert changed.items() <= settings.items()


@pytest.mark.parametrize("fast", [True, False])
def test_bfloat16_that_is_emulated_is_told(camvid, tmp_path, monkeypatch, fast):
    monkeypatch.setattr("taplab.machine.has_fast_bfloat16", lambda device: fast)
    how = ["camvid", "--root", camvid, *SMALL, "--steps", 1]
    told = {more: "--no-amp" in train(*how, "-o", tmp_path / more, f"--{more}").stderr for more in ("amp", "no-amp")}
    assert told == {"amp": not fast, "no-amp": False}
    assert train(*how, "-o", tmp_path / "quiet", "--amp", "-q").stderr == ""


def test_synthetic_drives(tmp_path):
    result = train("synthetic", "-o", tmp_path, *SMALL, "--steps", 2, "--drives", 2)
    assert result.exit_code == 0, result.stderr
    assert read_card(tmp_path / "model.safetensors").origin.startswith("stills of 2 synthetic drives; recipe paper, ")


def test_the_same_command_goes_on_and_another_does_not(camvid, tmp_path):
    how = ["camvid", "--root", camvid, "-o", tmp_path, *SMALL, "--steps", 2]
    assert train(*how).exit_code == 0
    weights = (tmp_path / "model.safetensors").read_bytes()
    assert train(*how).exit_code == 0  # nothing left to do
    assert (tmp_path / "model.safetensors").read_bytes() == weights
    refused(train(*how, "--seed", 1), "other settings", status=1)
    refused(train(*how, "--init", tmp_path), "or another --init", status=1)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        (["camvid"], ["--root"]),
        (["kitti"], ["kitti", "camvid, cityscapes, sequence, synthetic"]),
        (["synthetic", "--recipe", "best"], ["--recipe best", "paper, road"]),
        *((["synthetic", "--crop", c], ["--crop", "rows x columns"]) for c in ("800", "800*800", "0x800", "x", "800x")),
        (["synthetic", "--crop", "3x64"], ["crops of 3x64", "at least 32x32"]),
        (["synthetic", "--architecture", "bl4"], ["bl4", "bl1, bl2, bl3"]),
        *((["synthetic", "--rate", r], [f"rate {r}"]) for r in ("0", "nan", "inf")),
        (["synthetic", "--recipe", "crops"], ["--recipe crops", "--init MODEL"]),
        (["sequence"], ["--images and --labels"]),
        (["sequence", "--root", "somewhere"], ["--root: is for train camvid and cityscapes"]),
        (["synthetic", "--images", "somewhere"], ["--images: is for train sequence"]),
        (["camvid", "--drives", "3"], ["--drives: is for train synthetic"]),
        (["synthetic", "--clips", "3"], ["--clips: is for --architecture bl2-warp"]),
        (["synthetic", *WARP, "--recipe", "road"], ["--recipe: bl2-warp has a recipe of its own"]),
        (["synthetic", *WARP, "--width", "0.5"], ["--width: bl2-warp has that of --init"]),
        *((["synthetic", *WARP, "--rate", r], [f"rate {r}: must be a number above 0"]) for r in ("0", "nan")),
        (["camvid", *WARP], ["--root"]),
        (["sequence", "--images", "somewhere"], ["--images and --labels"]),
        (["sequence", "--images", "a", "--labels", "b", "--validation-labels", "c"], ["--validation-images"]),
    ],
)
def test_bad_settings_are_told_before_anything_is_read(how, says, tmp_path):
    result = CliRunner().invoke(app, ["train", *how, "-o", str(tmp_path / "out")])
    assert result.exit_code == 2
    (line,) = result.stderr.strip().splitlines()
    assert all(words in line for words in says)
    assert not (tmp_path / "out").exists()


def test_bad_data_is_told_before_training(camvid, tmp_path):
    out = ["-o", tmp_path / "out", *SMALL]
    refused(train("camvid", "--root", camvid, *out, "--split", "none"), "none", status=1)
    refused(train("camvid", "--root", camvid, *out, "--validation", "test"), "test", status=1)
    fill(tmp_path / "bad/train", tmp_path / "bad/trainannot", 2)
    Image.fromarray(np.zeros((64, 95), np.uint8)).save(tmp_path / "bad/trainannot/001.png")
    refused(train("camvid", "--root", tmp_path / "bad", *out), "001.png", "64x95", status=1)
    assert not (tmp_path / "out/log.jsonl").exists()


def test_a_network_made_for_warping(camvid, tmp_path):
    small = ["camvid", "--root", camvid, "--threads", 1]
    base = train(*small, "-o", tmp_path / "base", *SMALL, "--steps", 1)
    assert base.exit_code == 0, base.stderr
    how = [*small, *WARP, "--init", tmp_path / "base", "--clips", 2, "--batch", 2, "--no-amp"]
    result = train(*how, "-o", tmp_path / "warp", "--steps", 2)
    assert result.exit_code == 0, result.stderr
    assert "camvid (train, 4 images), 2 clips, 2 steps, batch 2, seed 0" in result.stdout
    assert f"use it with --model {tmp_path / 'warp'}" in result.stdout
    card = read_card(tmp_path / "warp/model.safetensors")
    assert (card.architecture, card.width) == ("bl2-warp", 0.125)
    assert json.loads((tmp_path / "warp/settings.json").read_text())["settings"]["clips"] == 2
    refused(train(*how, "-o", tmp_path / "warp", "--steps", 3), "other settings or data", status=1)
    refused(train(*how, "-o", tmp_path / "new", "--init", "bl1-camvid"), "bl1-camvid: give a BL2", status=1)
    refused(train(*small, "-o", tmp_path / "warp"), "checkpoint.pt", "recipe of bl2-warp", status=1)
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
def test_ctrl_c_leaves_a_model(camvid, tmp_path):
    how = ["camvid", "--root", camvid, "-o", tmp_path, *SMALL, "--steps", 20_000, "--crop", "32x32", "-v"]
    with subprocess.Popen(command(*how), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line.startswith("{'step': 20,"):  # the first checkpoint would be at 250
                process.send_signal(signal.SIGINT)
                break
        first, last = process.communicate(timeout=60)[1].splitlines()
    assert process.returncode == 130
    assert first == "taplab: finishing this step, to save it; Ctrl-C again stops at once"
    said = re.fullmatch(rf"taplab: interrupted; {tmp_path} holds step (\d+); the same command goes on from there", last)
    assert 20 <= int(said[1]) < 250
    assert read_card(tmp_path / "model.safetensors").origin.endswith(f"step {said[1]} of 20000")


def test_ctrl_c_before_there_is_a_step(camvid, tmp_path, monkeypatch):
    def interrupted(data):
        raise KeyboardInterrupt

    monkeypatch.setattr("taplab.training.stock.Stock", interrupted)
    result = CliRunner().invoke(app, ["train", "camvid", "--root", str(camvid), "-o", str(tmp_path)])
    assert (result.exit_code, result.stderr) == (130, "taplab: interrupted; no step was saved\n")


def test_a_damaged_checkpoint_is_told(camvid, tmp_path):
    (tmp_path / "checkpoint.pt").write_text("junk\n")
    refused(train("camvid", "--root", camvid, "-o", tmp_path, *SMALL), "checkpoint.pt: is damaged; remove it", status=1)


@pytest.mark.slow
def test_two_processes_share_the_validation_and_go_on(camvid, tmp_path):
    """Each validates its share of the images; the scores of the set are logged once."""
    how = ["camvid", "--root", camvid, "--validation", "held", "--steps", 2, "--width", 0.125, "--batch", 4]
    run = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "-m", "taplab", "train"]
    many = [*run, *map(str, [*how, "--threads", 1, "-o", tmp_path])]
    result = subprocess.run(many, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stderr
    entries = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [e["step"] for e in entries] == [2, 2]
    result = subprocess.run(many, capture_output=True, text=True, timeout=300, check=False)  # nothing left to do
    assert result.returncode == 0, result.stderr
    model = read_card(tmp_path / "model.safetensors")
    assert model.origin.endswith("step 2 of 2")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
def test_ctrl_c_stops_two_processes_after_the_same_step(camvid, tmp_path):
    how = ["camvid", "--root", camvid, "--steps", 5000, "--width", 0.125, "--batch", 4, "--crop", "32x32", "-v"]
    run = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "-m", "taplab", "train"]
    many = [*run, *map(str, [*how, "--threads", 1, "-o", tmp_path])]
    with subprocess.Popen(many, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert any(line.startswith("{'step': 20,") for line in process.stdout)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]
    (step,) = re.findall(r"taplab: interrupted; .* holds step (\d+)", said)
    assert read_card(tmp_path / "model.safetensors").origin.endswith(f"step {step} of 5000")
