import json

import pytest
from typer.testing import CliRunner

from taplab.cli import bench  # noqa: F401  (registers itself)
from taplab.cli.app import app
from taplab.evaluation.speed import _decode


@pytest.fixture(scope="module")
def taplab():
    """``taplab(*args)``: the command within this process."""
    return lambda *args: CliRunner().invoke(app, ["bench", *map(str, args)])


def test_a_drive_is_measured_and_saved(taplab, tmp_path):
    file = tmp_path / "made" / "bench.json"
    how = ["--size", "96x128", "--max-frames", "14", "--rounds", "1", "--model", "bl2-synthetic", "--json", str(file)]
    result = taplab(*how)
    assert result.exit_code == 0, result.output
    for words in ("plain decoding", "per-frame", "ratio", "residual", "by the clock"):
        assert words in result.stdout
    saved = json.loads(file.read_text())
    modes = ("paper ffw", "live", "offline")
    titles = ["per-frame", *(f"{mode}, interval 12" for mode in modes), "offline, quality 1"]
    assert [row["title"] for row in saved["modes"]] == titles
    for row in saved["modes"]:
        assert {"mode", "frames", "seconds", "network_cost", "fps"} <= set(row)
        stages = {"decode", "motion", "residual", "network", "warp", "labels", "write", "total"}
        assert stages <= set(row["seconds"])
    assert saved["plain_decode_seconds_per_frame"] > 0
    assert saved["hardware"]["usable_cores"] >= 1
    assert {"taplab", "torch", "av", "ffmpeg"} <= set(saved["versions"])
    assert (saved["height"], saved["width"], saved["codec"]) == (96, 128, "mpeg4")


def test_a_file_and_several_intervals(taplab, make_clip, tmp_path):
    clip, file = make_clip("h264"), tmp_path / "bench.json"
    how = ["--modes", "paper", "--modules", "ffw", "--interval", "6,12", "--rounds", 1, "--model", "bl2-synthetic"]
    result = taplab(clip, *how, "--save", "masks", "--max-frames", 14, "--json", file, "--quiet")
    assert (result.exit_code, result.stdout) == (0, ""), result.output
    saved = json.loads(file.read_text())
    assert [row["title"] for row in saved["modes"]] == ["per-frame", "paper ffw, interval 6", "paper ffw, interval 12"]
    assert (saved["source"], saved["saved"]) == (str(clip), ["masks"])


@pytest.mark.parametrize(
    ("given", "says", "status"),
    [
        (["missing.mp4"], "missing.mp4: no such file", 1),
        (["--size", "143x192"], "size 143x192: both must be even", 2),
        (["--size", "16x16"], "at least 32", 2),
        (["--size", "large"], "size large: write rows x columns", 2),
        (["--codec", "vp9"], "codec 'vp9': choose one of", 2),
        (["--rounds", 0], "rounds 0: must be at least 1", 2),
        (["--max-frames", 0], "max-frames 0: must be at least 1", 2),
        (["--lanes", 0], "lanes 0: must be at least 1", 2),
        (["--processes", 0], "processes 0: must be at least 1", 2),
        (["--processes", 2, "--codec", "hevc"], "processes 2: hevc is no file that they can share; leave it out", 2),
        (["--modes", "fast"], "mode 'fast': choose one of", 2),
        (["--interval", "6,x"], "interval 6,x: write numbers of frames", 2),
        (["--interval", "0"], "interval 0: write numbers of frames", 2),
        (["--save", "video"], "save 'video': choose from overlay, masks", 2),
        (["--model", "nothing"], "nothing: no such model", 1),
        (["rtsp://camera"], "rtsp://camera: a live stream sets its own pace", 2),
        (["-"], "-: standard input can be read once, and every mode reads it anew; give a file", 2),
    ],
)
def test_bad_input(taplab, given, says, status):
    result = taplab(*given)
    assert result.exit_code == status
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("taplab: error: ")
    assert says in line


def test_what_means_nothing_beside_a_source(taplab, make_clip):
    clip = make_clip("mpeg4")
    for name, value in (("size", "96x128"), ("codec", "h264")):
        result = taplab(clip, f"--{name}", value)
        assert result.exit_code == 2
        assert f"{name} {value}: is that of the synthetic drive" in result.stderr


def test_what_means_nothing_to_the_modes(taplab, make_clip):
    result = taplab(make_clip("mpeg4"), "--modes", "best", "--interval", "6")
    assert result.exit_code == 2
    assert "--interval: means nothing to --modes best" in result.stderr


def test_in_processes_beside_one(taplab, make_clip, tmp_path):
    file = tmp_path / "bench.json"
    how = ["--modes", "paper", "--rounds", 1, "--model", "bl2-synthetic", "--processes", 2, "--max-frames", 24]
    result = taplab(make_clip("mpeg4"), *how, "--json", file)
    assert result.exit_code == 0, result.output
    rows = json.loads(file.read_text())["modes"]
    assert [(row["title"], row["processes"]) for row in rows] == [
        ("per-frame", 1),
        ("per-frame, 2 processes", 2),
        ("paper ffw, interval 12", 1),
        ("paper ffw, interval 12, 2 processes", 2),
    ]
    assert all(row["frames"] == 24 and row["fps"] > 0 and row["seconds"]["network"] > 0 for row in rows)
    assert [row["peak_memory"] is None for row in rows] == [False, True, False, True]
    assert not any(row["notes"] for row in rows)


def test_a_file_that_was_not_shared_after_all(taplab, make_clip, tmp_path):
    file = tmp_path / "bench.json"
    how = ["--modes", "per-frame", "--rounds", 1, "--model", "bl2-synthetic", "--processes", 2, "--json", file]
    result = taplab(make_clip("h264", gop=250), *how)
    assert result.exit_code == 0, result.output
    note = "one process did it all: behind the first 15 frames it could not be cut: no key frame, damage, or its end"
    assert f"per-frame, 2 processes: {note}" in " ".join(result.stdout.split())
    rows = json.loads(file.read_text())["modes"]
    assert [(row["processes"], row["notes"]) for row in rows] == [(1, []), (1, [note])]


def test_an_interrupt_loses_no_whole_round(taplab, make_clip, tmp_path, monkeypatch):
    turns = iter(range(100))

    def decode(source, frames):
        if next(turns) == 2:
            raise KeyboardInterrupt
        return _decode(source, frames)

    monkeypatch.setattr("taplab.evaluation.speed._decode", decode)
    file = tmp_path / "bench.json"
    how = ["--modes", "paper", "--model", "bl2-synthetic", "--max-frames", 3, "--rounds", 5, "--json", file]
    result = taplab(make_clip("mpeg4"), *how)
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (
        130,
        "taplab: interrupted; 2 of 5 rounds were measured",
    )
    assert "rounds: 2" in result.stdout
    assert json.loads(file.read_text())["rounds"] == 2
