import json

import pytest

from taplab import SettingError, SyntheticDrive
from taplab.cli.eval_options import RunOptions
from taplab.cli.eval_paper import reproduce
from taplab.data.clips import ClipSet
from taplab.data.drives import DriveClip

pytest.importorskip("taplab.data.mapping", reason="needs the mapping of classes")


@pytest.fixture
def clips():
    """One drive of 96x128."""
    drive = SyntheticDrive(96, 128, 14, seed=3)
    return ClipSet("drive", drive.classes, drive.palette, [DriveClip(drive)])


@pytest.fixture
def options(tmp_path):
    def make(**given):
        small = {"model": "bl2-synthetic", "rounds": 0, "cache": tmp_path / "cache", "out": tmp_path / "out"}
        return RunOptions(**{**small, **given})

    return make


def test_tables_and_figures_of_one_command(clips, options, tmp_path, capsys):
    reproduce(clips, options(table=["6", "8,6"], figure=["12"]))
    files = {f.name for f in (tmp_path / "out").iterdir()}
    tables = {f"table-{n}.{s}" for n in (6, 8) for s in ("md", "json")}
    assert files == tables | {f"figure-12.{s}" for s in ("png", "svg", "json")}
    printed = capsys.readouterr().out
    assert "# Table 6: " in printed
    assert (tmp_path / "out" / "table-8.md").read_text() in printed
    assert "Figure 12: The modules in pictures (the paper's: Cityscapes); drive -> " in printed
    plain = json.loads((tmp_path / "out" / "table-8.json").read_text())
    assert plain["setting"]["quality"] == 3  # the encoder's own, as a number
    assert plain["setting"]["networks"] == {"bl2": "bl2-synthetic (BL2 x0.33, bundled)"}
    assert all(0.1 < row["measured"]["miou"] < 1 for row in plain["rows"])


def test_networks_are_named(clips, options, tmp_path):
    reproduce(clips, options(table=["2"], models="bl1=bl2-synthetic,bl2=bl2-camvid", quiet=True))
    rows = json.loads((tmp_path / "out" / "table-2.json").read_text())["rows"]
    assert [row["measured"] and row["measured"]["model"] for row in rows[:2]] == ["bl2-synthetic", "bl2-camvid"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"table": ["1"]}, "--table 1: there are 2, 3, 4, 5, 6, 7, 8; or write all"),
        ({"figure": ["5,two"]}, "--figure two: there are 1, 5, 6, 7, 8, 9, 10, 11, 12, 13; or write all"),
        ({"table": ["2"], "models": "bl9=x"}, "--models bl9=x: write bl1=NAME, bl2=NAME, bl3=NAME"),
        ({"table": ["2"], "models": "bl1"}, "--models bl1: write"),
        ({"table": ["2"], "thr_rgfs": "high"}, "thr_rgfs high: write a number"),
        ({"table": ["5"], "flow": "nothing"}, "nothing"),
        ({"table": [""]}, "--table '': name some of 2, 3"),
        ({"table": ["2"], "figure": [","]}, "--figure ',': name some of 1, 5"),
        ({"table": ["6"], "phases": "99"}, "--phases 99: a GOP of 12 has 12 positions"),
        ({"table": ["6"], "thr_rgfs": "-3"}, "thr_rgfs -3: must be at least 0"),
        ({"table": ["6"], "codec": "av1"}, "codec 'av1': choose one of mpeg4"),
        ({"figure": ["1"], "rounds": 0}, "--rounds 0: figure 1 shows speed"),
        (
            {"table": ["6"], "json_file": "a.json", "written": {"json_file"}},
            "--json: each table .* in the folder of -o",
        ),
    ],
)
def test_what_is_not_there_is_refused_before_any_work(clips, options, tmp_path, given, says):
    with pytest.raises(SettingError, match=says):
        reproduce(clips, options(**given))
    assert not (tmp_path / "cache").exists()


def test_a_frame_that_cannot_be_shown_is_told_before_any_measuring(clips, options, tmp_path):
    with pytest.raises(SettingError, match=r"--frame 99: .* has no labels there"):
        reproduce(clips, options(table=["8"], figure=["12"], frame=99))
    assert not list((tmp_path / "cache" / "records").iterdir())
