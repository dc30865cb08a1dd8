"""``taplab calibrate`` and ``--config``: what is printed and written, who wins, what is refused."""

import json
import os
import signal
import subprocess
import sys
import tomllib

import pytest
from PIL import Image
from typer.testing import CliRunner

from taplab.cli import calibrate, segment  # noqa: F401 - they register themselves
from taplab.cli.app import app
from taplab.video.encode import encode_clip


def run(*args):
    return CliRunner().invoke(app, [str(a) for a in args], env={"COLUMNS": "200"})


def refused(result, *says, status=1):
    assert result.exit_code == status, result.stderr
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("taplab: error: ")
    for words in says:
        assert words in line


def test_a_threshold_that_segment_takes(make_clip, tmp_path):
    """The whole way: so many of the frames that would be warped become key frames."""
    clip, settings = make_clip("mpeg4"), tmp_path / "deep" / "taplab.toml"
    # A real process: its command line is written down.
    how = ["--share", "0.3", "-o", settings, "--json", tmp_path / "curve.json"]
    command = [sys.executable, "-m", "taplab", "calibrate", clip, *how]
    chosen = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert chosen.returncode == 0, chosen.stderr
    assert chosen.stderr == ""
    assert "29.6 %" in chosen.stdout
    curve = json.loads((tmp_path / "curve.json").read_text())
    assert tomllib.loads(settings.read_text()) == {"thr_rgfs": curve["threshold"]}
    for words in (clip.name, "30 frames", "29.6 % of 27 warped frames", "--share 0.3 -o"):
        assert words in settings.read_text()
    model = ["--model", "bl2-synthetic", "--mode", "paper", "--save", "masks"]
    assert run("segment", clip, "-o", tmp_path / "out", *model, "--config", settings).exit_code == 0
    assert json.loads((tmp_path / "out/summary.json").read_text())["key_frames"] == 3 + 8


def test_agreement_that_segment_takes(make_clip, tmp_path):
    """Another network, another relation: what is predicted changes with it."""
    clip, settings = make_clip("h264", gop=30), tmp_path / "taplab.toml"
    settings.write_text("interval = 6\n")
    how = ["calibrate", clip, "--agreement", "--model", "bl2-synthetic"]
    result = run(*how, "-o", settings)
    assert result.exit_code == 0, result.stderr
    written = tomllib.loads(settings.read_text())
    assert written["disagreement_model"].startswith("bl2-synthetic ")
    assert set(written) == {
        "interval",
        "thr_rgfs",
        "disagreement_offline",
        "disagreement_live",
        "disagreement_model",
    }
    for mode in ("offline", "live"):
        assert f"disagreement_{mode} = {written[f'disagreement_{mode}']:g}: of bl2-synthetic" in result.stdout
        assert 0.5 < written[f"disagreement_{mode}"] < 20
    again = run(*how, "-o", settings, "-q")
    assert (again.exit_code, again.stdout) == (0, "")
    assert tomllib.loads(settings.read_text()) == written
    assert settings.read_text().count("mode live") == 1

    def predicted(*more):
        out = ["-o", tmp_path / "out", "--model", "bl2-synthetic", "--save", "masks", "--interval", 24, "-q"]
        assert run("segment", clip, *out, *more).exit_code == 0
        return json.loads((tmp_path / "out/summary.json").read_text())["predicted_loss"]

    settings.write_text("disagreement_offline = 200\n")
    assert predicted("--config", settings) > predicted() + 10


def test_agreement_of_frames_that_are_coded_alone(drive, tmp_path):
    """Their motion is estimated, and so is their residual."""
    clip = encode_clip(tmp_path / "alone.avi", (drive[i][0] for i in range(24)), gop=1)
    how, settings = ["--agreement", "--model", "bl2-synthetic"], tmp_path / "taplab.toml"
    result = run("calibrate", clip, *how, "-o", settings)
    assert result.exit_code == 0, result.stderr
    written = tomllib.loads(settings.read_text())
    assert 0.1 < written["thr_rgfs"] < 20
    assert 0.5 < written["disagreement_offline"] < 20


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--gop", 6], "--gop: is for folders of images"),
        (["--quality", 3], "--quality: is for folders of images"),
        (["--model", "bl2-synthetic"], "--model: no network runs without --agreement"),
    ],
)
def test_options_that_mean_nothing_are_refused(make_clip, given, says):
    refused(run("calibrate", make_clip("mpeg4"), *given), says, status=2)


def test_agreement_of_what_stands_still(drive, tmp_path):
    clip = encode_clip(tmp_path / "still.mkv", [drive[0][0]] * 20, codec="h264", gop=30)
    refused(run("calibrate", clip, "--agreement", "--model", "bl2-synthetic"), "hardly move")
    refused(run("calibrate", clip, "--agreement", "--model", "bl9"), "bl9")


def test_curve(make_clip, tmp_path):
    result = run("calibrate", make_clip("mpeg4"), make_clip("h264"), "--json", tmp_path / "curve.json", "-v")
    assert result.exit_code == 0, result.stderr
    for words in ("54 warped frames", "paper, CamVid", "8.7", "not counted: 6 key frames anyway", "--thr-rgfs"):
        assert words in result.stdout
    assert result.stderr.count("192x144, 30 frames, 3 key frames anyway, residual") == 2
    curve = json.loads((tmp_path / "curve.json").read_text())
    assert [point["share"] for point in curve["curve"]] == [percent / 100 for percent in range(1, 100)]
    thresholds = [point["threshold"] for point in curve["curve"]]
    assert thresholds == sorted(thresholds, reverse=True)
    assert curve["curve"][9] == {key: curve[key] for key in ("share", "threshold", "reached")}
    assert curve["paper"]["Cityscapes"] == {"threshold": 5.7, "share": 0.0}
    assert [c["codec"] for c in curve["clips"]] == ["mpeg4", "h264"]


def test_a_folder_and_a_picture(drive, tmp_path):
    pytest.importorskip("matplotlib")
    (tmp_path / "frames").mkdir()
    for i in range(8):
        Image.fromarray(drive[i][0]).save(tmp_path / f"frames/{i}.png")
    result = run(
        "calibrate", tmp_path / "frames", "--gop", 4, "-q", "-o", tmp_path / "t.toml", "--plot", tmp_path / "c.png"
    )
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert "8 frames, 2 key frames anyway" in (tmp_path / "t.toml").read_text()
    with Image.open(tmp_path / "c.png") as picture:
        assert picture.width > 500


def test_a_broken_image_is_told(drive, tmp_path):
    (tmp_path / "frames").mkdir()
    for i in range(8):
        Image.fromarray(drive[i][0]).save(tmp_path / f"frames/{i}.png")
    (tmp_path / "frames/5.png").write_text("hello")
    result = run("calibrate", tmp_path / "frames", "-q")
    assert result.exit_code == 0
    told = f"taplab: note: {tmp_path}/frames: 5.png cannot be read as an image; the rest was measured\n"
    assert result.stderr == told


def test_other_settings_stay(make_clip, tmp_path):
    path = tmp_path / "taplab.toml"
    path.write_text('mode = "paper"\nthr_rgfs = 5.7\n')
    assert run("calibrate", make_clip("mpeg4"), "-o", path).exit_code == 0
    first = tomllib.loads(path.read_text())
    assert first["mode"] == "paper"
    assert first["thr_rgfs"] < 5
    assert run("calibrate", make_clip("mpeg4"), "-o", path, "--share", 0.5).exit_code == 0
    assert tomllib.loads(path.read_text())["thr_rgfs"] < first["thr_rgfs"]
    assert path.read_text().count("chosen by taplab calibrate") == 1


def test_the_interval_of_the_file_is_the_one_calibrated_for(make_clip, tmp_path):
    clip, path = make_clip("mpeg4", gop=30), tmp_path / "taplab.toml"
    path.write_text("interval = 5\n")
    result = run("calibrate", clip, "-o", path)
    assert result.exit_code == 0, result.stderr
    assert "due by the interval of 5" in result.stdout
    assert f"--config {path})" in result.stdout
    settings = tomllib.loads(path.read_text())
    assert settings["interval"] == 5
    before = path.read_text()
    refused(
        run("calibrate", clip, "-o", path, "--interval", 12), "--interval 12", "taplab.toml says interval = 5", status=2
    )
    assert path.read_text() == before
    assert run("calibrate", clip, "-o", path, "--interval", 5).exit_code == 0
    assert tomllib.loads(path.read_text()) == settings


def test_an_interval_that_no_file_says_is_part_of_the_use(make_clip, tmp_path):
    clip, path = make_clip("mpeg4", gop=30), tmp_path / "taplab.toml"
    assert "due by the interval of 12" in run("calibrate", clip).stdout
    assert " --interval" not in run("calibrate", clip, "--interval", 12).stdout
    assert "--interval 7)" in run("calibrate", clip, "--interval", 7).stdout
    assert f"--config {path} --interval 7)" in run("calibrate", clip, "--interval", 7, "-o", path).stdout


def test_modules_without_rgfs_get_a_note(make_clip, tmp_path):
    path = tmp_path / "taplab.toml"
    for modules, notes in (('"ffw,rgc"', 1), ('["ffw", "rgfs"]', 0)):
        path.write_text(f"modules = {modules}\n")
        assert run("calibrate", make_clip("mpeg4"), "-o", path).stderr.count("works with rgfs among them") == notes


def test_a_file_of_something_else_is_left_alone(make_clip, tmp_path):
    path = tmp_path / "pyproject.toml"
    path.write_text("[project]\n")
    refused(run("calibrate", make_clip("mpeg4"), "-o", path), "pyproject.toml", "unknown setting 'project'", status=2)
    assert path.read_text() == "[project]\n"


def one_frame(drive, tmp_path):
    return encode_clip(tmp_path / "one.mp4", [drive[0][0]])


def test_notes(make_clip, drive, tmp_path):
    result = run("calibrate", make_clip("mpeg4"), one_frame(drive, tmp_path), "--share", 0.01)
    assert result.exit_code == 0
    assert "no threshold" in result.stderr
    assert "give more clips" in result.stdout


def test_bad_calls(make_clip, drive, tmp_path):
    clip = make_clip("mpeg4")
    refused(run("calibrate"), "no clip given", status=2)
    for share in ("0", "1", "10", "nan"):
        refused(run("calibrate", clip, "--share", share), f"share {share}", "between 0 and 1", status=2)
    refused(run("calibrate", clip, tmp_path / "none.mp4"), "none.mp4", "no such file")
    (tmp_path / "text.mp4").write_text("hello")
    refused(run("calibrate", clip, tmp_path / "text.mp4"), "text.mp4", "not a video")
    refused(run("calibrate", one_frame(drive, tmp_path), "-q"), "no frame could be warped", "several frames")
    refused(run("calibrate", clip, "-o", tmp_path / "text.mp4" / "t.toml"), "text.mp4", "cannot be written")
    refused(run("calibrate", clip, "-o", tmp_path), "another -o")
    refused(run("calibrate", clip, "--json", tmp_path), "another --json")
    refused(run("calibrate", clip, "--plot", tmp_path / "curve.gif"), "curve.gif", ".png or .svg", status=2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one.mp4", "text.mp4"]


def test_streams_without_p_frames(shared, tmp_path):
    result = run("calibrate", shared / "clips/cars_320x240.mjpeg", "-o", tmp_path / "t.toml")
    assert result.exit_code == 0, result.stderr
    assert tomllib.loads((tmp_path / "t.toml").read_text())["thr_rgfs"] > 0


def test_options_win_over_the_file(make_clip, tmp_path):
    path = tmp_path / "taplab.toml"
    path.write_text('model = "bl2-synthetic"\nmode = "paper"\nmodules = ["ffw"]\ninterval = 5\n')
    how = ["segment", make_clip("mpeg4"), "-o", tmp_path / "out", "--save", "masks", "--config", path]

    def summary(*more):
        result = run(*how, *more)
        assert result.exit_code == 0, result.stderr
        return json.loads((tmp_path / "out/summary.json").read_text())

    first = summary()
    assert [first[k] for k in ("model", "mode", "modules", "interval")] == ["bl2-synthetic", "paper", ["ffw"], 5]
    # The default's own value, written out, wins as well; where the option stands does not matter.
    second = summary("--interval", 12, "--modules", "ffw,rgc", "--region", "64x96", "--stride", "16x32")
    assert [second[k] for k in ("mode", "modules", "interval")] == ["paper", ["ffw", "rgc"], 12]
    assert second["crops"] == 27
    assert second["network_cost"] == pytest.approx((3 + 27 * 64 * 96 / (144 * 192)) / 30, abs=1e-4)


def test_bad_settings(make_clip, tmp_path):
    how = ["segment", make_clip("mpeg4"), "-o", tmp_path / "out"]
    path = tmp_path / "taplab.toml"
    refused(run(*how, "--config", path), "taplab.toml", "cannot be read", status=2)
    path.write_text("intervall = 5")
    refused(run(*how, "--config", path), "taplab.toml", "'intervall'", "interval", status=2)
    path.write_text("interval = -5")
    refused(run(*how, "--config", path), "taplab.toml", "interval -5", status=2)
    refused(run(*how, "--region", "512"), "region 512", "512x512", status=2)
    refused(run(*how, "--stride", "8x8"), "stride (8, 8)", "multiples of 16", status=2)
    assert not (tmp_path / "out").exists()


def test_help_shows_the_true_defaults():
    text = run("segment", "--help").stdout
    assert "--config" in text
    assert "[default: (5.7)]" in text


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
def test_ctrl_c(make_clip, tmp_path):
    (tmp_path / "scratch").mkdir()
    out, clips = tmp_path / "t.toml", [make_clip("mpeg4")] * 500
    how = [sys.executable, "-m", "taplab", "calibrate", *clips, "-o", out, "-v"]
    with subprocess.Popen(
        how, stderr=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(tmp_path / "scratch")}
    ) as process:
        assert "30 frames" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        assert process.wait(30) == 130
    assert "Traceback" not in rest
    assert "interrupted" in rest
    assert not out.exists()
    assert not list((tmp_path / "scratch").iterdir())
