import json
import math
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from taplab import OutputError, SettingError, SourceError, SyntheticDrive
from taplab.cli.eval_options import RunOptions, draw_of, encoding_of
from taplab.cli.eval_report import print_scores
from taplab.cli.eval_scores import score_modes
from taplab.cli.evaluate import app
from taplab.data.clips import ClipSet
from taplab.data.drives import DriveClip
from taplab.evaluation.score import evaluate
from taplab.types import IGNORE


class Unlabelled(DriveClip):
    def truth(self, index):
        return super().truth(index) * 0 + IGNORE


@pytest.fixture
def clips():
    """``clips(clip)``: one drive of 96x128."""

    def make(clip=DriveClip):
        drive = SyntheticDrive(96, 128, 6, seed=3)
        return ClipSet("drive", drive.classes, drive.palette, [clip(drive)])

    return make


@pytest.fixture
def options(tmp_path):
    def make(**given):
        small = {"model": "bl2-synthetic", "rounds": 0, "cache": tmp_path / "cache", "modes": "paper", "quiet": True}
        return RunOptions(**{**small, **given})

    return make


def test_scores_in_a_folder_that_is_made(clips, options, tmp_path):
    score_modes(clips(), options(json_file=tmp_path / "new" / "scores.json"))
    (score,) = json.loads((tmp_path / "new" / "scores.json").read_text(), parse_constant=pytest.fail)
    assert (score["quality"], score["fps"]) == (3, None)


def test_what_cannot_be_written_is_told_before_any_work(clips, options, tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "scores.json"):
        with pytest.raises(OutputError, match="give another --json"):
            score_modes(clips(), options(json_file=path))
    assert not (tmp_path / "cache").exists()


def test_a_row_names_only_what_its_mode_makes_use_of(clips, options, tmp_path):
    score_modes(clips(), options(modes="itp,paper", motion="refined", json_file=tmp_path / "scores.json"))
    titles = [score["title"] for score in json.loads((tmp_path / "scores.json").read_text())]
    assert titles == ["itp, interval 12", "paper ffw, interval 12, motion refined"]


def test_labels_of_nothing_are_an_error(clips, options):
    with pytest.raises(SourceError, match="drive: no pixel of the scored frames has a label"):
        score_modes(clips(Unlabelled), options())


def test_positions_are_at_most_as_many_as_the_gop_has(options):
    assert draw_of(options(phases="6", gop=6)).phases == draw_of(options(phases="all", gop=6)).phases == 6
    with pytest.raises(SettingError, match="--phases 7: a GOP of 6 has 6 positions"):
        draw_of(options(phases="7", gop=6))


def test_the_quality_is_a_number(options):
    assert encoding_of(options(codec="h264")).quality == 23
    assert encoding_of(options(codec="h264", quality=30)).quality == 30


def test_what_is_not_known_is_a_dash(clips, options, capsys, monkeypatch):
    kept = []
    monkeypatch.setattr("taplab.evaluation.score.evaluate", lambda *a, **k: kept.extend(evaluate(*a, **k)) or kept)
    score_modes(clips(), options())
    print_scores([replace(kept[0], temporal_consistency=math.nan)])
    printed = capsys.readouterr().out
    assert "nan" not in printed
    assert " - " in printed
    assert '"temporal_consistency": null' in json.dumps(replace(kept[0], temporal_consistency=math.nan).as_json())


def test_what_is_asked_of_live_and_offline(clips, options, tmp_path):
    asked = {"modes": "per-frame,paper,offline,live", "json_file": tmp_path / "scores.json"}
    score_modes(clips(), options(**asked, budget=0.5, gop=3))
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert [score["interval"] for score in scores] == [1, 3, 24, 24]
    assert [score["title"] for score in scores[2:]] == ["offline, budget 0.5", "live, budget 0.5"]
    assert all(score["network_cost"] <= 0.5 for score in scores[1:])
    assert [score["asked"] for score in scores] == [{}, {}, {"budget": 0.5}, {"budget": 0.5}]
    assert [score["predicted_loss"] is None for score in scores] == [True, True, False, False]
    score_modes(clips(), options(**asked, max_loss=0.0))
    assert json.loads((tmp_path / "scores.json").read_text())[3]["title"] == "live, quality 0"
    for bad, says in (
        ({"max_loss": 1.0, "budget": 0.1}, "give only one"),
        ({"budget": 0.1, "modes": "paper", "written": {"budget"}}, "neither"),
    ):
        with pytest.raises(SettingError, match=says):
            score_modes(clips(), options(**bad))


def test_real_and_predicted_loss_in_80_columns(clips, options, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    score_modes(clips(), options(modes="per-frame,live", max_loss=50.0, rounds=1, quiet=False))
    head, *_, every, live, caption = [line for line in capsys.readouterr().out.splitlines() if line.strip()][1:]
    assert head.split() == ["mode", "mIoU", "lost", "pred.", "pixels", "steady", "cost", "fps", "net", "ratio"]
    assert every.split()[2:4] == ["0.0", "-"]
    assert float(live.split()[4]) > 0
    assert "lost: points of mIoU below per-frame" in caption


@pytest.mark.parametrize(
    ("modes", "ratios"),
    [("per-frame,paper", ["1.0", "4.0"]), ("paper,per-frame", ["4.0", "1.0"]), ("paper,live", ["-", "-"])],
)
def test_the_ratio_is_to_per_frame_wherever_it_stands(clips, options, capsys, monkeypatch, modes, ratios):
    def timed(*args, **kwargs):
        return [replace(s, fps=10.0 if s.mode == "per-frame" else 40.0) for s in evaluate(*args, **kwargs)]

    monkeypatch.setattr("taplab.evaluation.score.evaluate", timed)
    score_modes(clips(), options(modes=modes, quiet=False))
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()][-2:]
    assert [row[-1] for row in rows] == ratios


def test_a_file_asks_where_it_can(options, clips, tmp_path):
    (tmp_path / "taplab.toml").write_text('budget = 0.5\ndisagreement_live = 9\ndisagreement_model = "other"\n')
    config = {"config": tmp_path / "taplab.toml", "budget": 0.5}  # a file sets the default of the option
    score_modes(clips(), options(**config, modes="paper"))
    asked = {"max_loss": 1.0, "written": frozenset({"max_loss"}), "modes": "live", "json_file": tmp_path / "s.json"}
    score_modes(clips(), options(**config, **asked))
    assert json.loads((tmp_path / "s.json").read_text())[0]["asked"] == {"quality": 1.0}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--modes", "live,offline", "--region", "96x96"], "--region: needs rgc"),
        (["--modules", "ffw", "--thr-rgfs", "5"], "--thr-rgfs: needs rgfs"),
        (["--modules", "ffw,rgc", "--modes", "offline"], "--modules: rgc runs in none of these modes"),
        (["--modules", "ffw,rgc", "--modes", "live", "--max-loss", "1"], "--modules: rgc runs in none of these modes"),
        (["--modes", "per-frame", "--interval", "5"], "--interval: mode per-frame"),
        (["--modes", "paper", "--max-loss", "1"], "neither live nor offline"),
        (["--table", "6", "--max-loss", "1"], "--max-loss: tables and figures keep to the GOP"),
        (["--table", "6", "--interval", "5"], "--interval: tables and figures keep to the GOP"),
        (["--frame", "3"], "--frame: only --table and --figure make use of it"),
        (["--table", ""], "--table '': name some of"),
    ],
)
def test_options_that_mean_nothing_are_refused(given, says, tmp_path):
    where = ["--size", "96x128", "--frames", "6", "--cache", str(tmp_path / "cache")]
    result = CliRunner().invoke(app, ["eval", "synthetic", *where, *given])
    assert result.exit_code == 2
    assert says in result.stderr


def test_a_file_of_settings_may_hold_more_than_a_table_needs(tmp_path):
    (tmp_path / "taplab.toml").write_text("interval = 5\n")
    where = ["--size", "96x128", "--frames", "6", "--cache", str(tmp_path / "cache"), "-o", str(tmp_path / "out")]
    how = ["--rounds", "0", "--model", "bl2-synthetic", "--config", str(tmp_path / "taplab.toml"), "-q"]
    result = CliRunner().invoke(app, ["eval", "synthetic", *where, *how, "--seeds", "1", "--figure", "5"])
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "out" / "figure-5.png").exists()
