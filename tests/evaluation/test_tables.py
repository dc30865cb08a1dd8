import json
from dataclasses import replace

import pytest

from taplab import PaperSettings, SettingError
from taplab.data.clips import FileClip
from taplab.evaluation import bench as bench_module
from taplab.evaluation.bench import Bench
from taplab.evaluation.points import ALL, FFW, GOPS, RGC, Plan
from taplab.evaluation.setting import Setting
from taplab.evaluation.tables import TABLES, as_json, as_markdown
from taplab.evaluation.tables.contents import scaled
from taplab.evaluation.trials import Encoding

PLAN = Plan((96, 128))


def made(number, bench, plan=PLAN):
    table = TABLES[number](plan)
    bench.measure([], table.points)
    setting = Setting.of(bench, plan, "taplab eval")
    return table, as_markdown(table, bench, setting), json.loads(json.dumps(as_json(table, bench, setting)))


def cells(markdown, head):
    """Rows of the grid whose first column is called ``head``, as lists of cells."""
    lines = markdown.splitlines()
    start = next(k for k, line in enumerate(lines) if line.startswith(f"| {head} |"))
    grid = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[start + 2 :]]
    return grid[: lines[start + 2 :].index("")]


def test_networks_with_speed_and_the_papers_values(make_bench):
    bench = make_bench(("bl1", "bl2"), rounds=1)
    table, markdown, plain = made(2, bench)
    score = bench.scores[table.rows[1].point]
    measured = [f"{100 * score.miou:.1f}", "1.000", f"{score.network_fps:.1f}", f"{score.fps:.1f}"]
    assert cells(markdown, "network")[1] == ["BL2", *measured, "73.6", "29.3"]
    assert cells(markdown, "network")[2] == ["BL3", "-", "-", "-", "-", "77.3", "7.2"]
    assert "* BL3: give --models bl3=NAME or FILE" in markdown
    assert plain["rows"][1]["measured"] == json.loads(json.dumps(score.as_json()))
    assert plain["rows"][1]["paper"] == {"miou": 73.6, "fps": 29.3, "milliseconds": None}
    assert plain["rows"][2]["measured"] is None
    assert "bl3" in plain["rows"][2]["not_measured"]


def test_the_setting_stands_in_the_table(make_bench):
    _, markdown, plain = made(2, make_bench())
    for words in ("bright, 1 clip of 96x128", "BL2 is torch", "cores", "`taplab eval`", "Scored frames: 30"):
        assert words in markdown
    assert markdown.startswith("# Table 2: The networks on every frame; bright\n")
    assert "mpeg4, quantiser 3, GOP 12" in markdown
    assert "regions of 48x48 every 24x24" in markdown
    assert "Speed: not measured (--rounds 0)" in markdown
    assert "Classes: BL2: bright: white" in markdown
    assert plain["setting"]["thr_rgfs"] == "5.7 grey levels per pixel"
    assert plain["setting"]["networks"] == {"bl2": "torch"}
    assert (plain["setting"]["quality"], plain["setting"]["folder"]) == (3, None)


def test_where_the_clips_are_what_the_networks_are_and_how_speed_is_measured(make_bench, tmp_path):
    bench = make_bench(rounds=3)
    subject = bench.subjects["bl2"]
    files = [tmp_path / "drives" / name / "000.png" for name in ("a", "b")]
    clips = [FileClip(file.parent.name, 15.0, [file], {}, None) for file in files]
    two = replace(subject.clips, name="drives", clips=clips)
    bench.subjects = {"bl2": replace(subject, clips=two, about="BL2 x0.25, synthetic, step 4 of 4")}
    setting = Setting.of(bench, PLAN, "")
    lines = "\n".join(setting.lines())
    assert f"Data: drives ({tmp_path / 'drives'}), 2 clips" in lines
    assert "BL2 is torch (BL2 x0.25, synthetic, step 4 of 4)" in lines
    assert "the first clip alone (a, at most 60 frames)" in lines
    assert "medians of 3 rounds" in lines
    assert "Speed" not in "\n".join(setting.lines(timed=False))


def test_the_encoders_quality_is_named(make_bench):
    bench = make_bench()
    for encoding, says in ((Encoding("h264"), "h264, crf 23"), (Encoding("mpeg4", quality=8), "mpeg4, quantiser 8")):
        other = Bench(bench.subjects, encoding, bench.draw, bench.cache)
        assert says in "\n".join(Setting.of(other, PLAN, "").lines())
    with pytest.raises(SettingError, match="codec 'av1': choose one of mpeg4"):
        Bench(bench.subjects, Encoding("av1"), bench.draw, bench.cache)


def test_propagation_by_every_flow(make_bench):
    table = TABLES[3](Plan((96, 128), flow="python:mine:flow"))
    modes = [row.point.way.mode for row in table.rows if row.point is not None]
    assert modes == ["itp", "flow:dis", "flow:farneback", "flow:net", "flow:python:mine:flow", "paper"]
    bench = make_bench(rounds=1)
    ffw = table.rows[-1].point
    bench.measure([], [ffw])
    row = cells(as_markdown(table, bench, Setting.of(bench, PLAN, "")), "propagation")[-1]
    assert row[-2:] == [f"{1000 * bench.scores[ffw].seconds['warp']:.1f}", "3.7"]
    assert row[5] == "64.4"


def test_a_flow_that_is_not_there_is_told(make_bench):
    table, markdown, _ = made(5, make_bench(), Plan((96, 128), flow="nothing"))
    assert table.rows[8].point.way.mode == "flow:nothing"
    assert "* BL2, flow (nothing) + RGC: " in markdown
    assert "nothing'" in markdown  # the mode is named in the reason


def test_regions_are_the_papers_share_of_the_frame(make_bench):
    assert scaled((512, 256), (1024, 2048)) == (512, 256)
    assert scaled((256, 512), (360, 480)) == (96, 192)
    assert scaled((512, 512), (32, 16)) == (16, 16)
    bench = make_bench(("bl1", "bl2", "bl3"))
    table, markdown, _ = made(4, bench)
    rows = cells(markdown, "network")
    assert [row[2] for row in rows[:4]] == ["32x32, 32x32", "32x48, 32x32", "48x48, 48x48", "48x48, 24x24"]
    costs = [bench.scores[row.point].network_cost for row in table.rows]
    assert costs[0] < costs[1] < costs[2] == costs[3]
    assert table.rows[3].point.way.settings == PaperSettings(RGC)  # the default is the paper's


def test_the_default_region_is_what_its_row_says(make_bench):
    plan = Plan((96, 128), settings=PaperSettings(FFW, region=(32, 32), stride=(16, 32)))
    bench = make_bench(("bl1",))
    table, markdown, plain = made(4, bench, plan)
    assert table.rows[3].point.way.settings == PaperSettings(RGC)
    assert cells(markdown, "network")[3][2] == "48x48, 24x24"
    share = bench.scores[table.rows[3].point].network_cost
    assert share == pytest.approx((1 + 11 * 48 * 48 / (96 * 128)) / 12, abs=0.001)
    assert "regions of 32x32 every 16x32 where none are given" in markdown
    assert (plain["setting"]["region"], plain["setting"]["stride"]) == ([32, 32], [16, 32])


def test_modules_one_by_one():
    rows = TABLES[5](Plan((96, 128), flow="dis")).rows
    assert [row.cells for row in rows[7:10]] == [
        ("BL2", "FFW + RGC + RGFS"),
        ("BL2", "flow (dis)"),
        ("BL2", "flow (dis) + RGC"),
    ]
    assert [row.paper.miou for row in rows[4:8]] == [64.4, 68.2, 69.4, 70.6]
    assert rows[9].point.way.settings.modules == RGC


def test_intervals_are_groups_of_pictures(make_bench):
    bench = make_bench()
    table, _, plain = made(6, bench)
    scores = [bench.scores[row.point] for row in table.rows]
    assert [(s.gop, s.interval) for s in scores[:4]] == [(gop, gop) for gop in GOPS]
    assert [s.network_cost for s in scores[:4]] == sorted((s.network_cost for s in scores[:4]), reverse=True)
    assert [row["paper"]["miou"] for row in plain["rows"][4:]] == [72.5, 71.5, 71.0, 70.6]


def test_other_systems_as_published_and_ours_as_measured(make_bench):
    _, markdown, plain = made(7, make_bench())
    published = cells(markdown, "as published")
    assert next(row for row in published if row[0] == "ICNet")[5:8] == ["30.3", "Titan X (Maxwell)", "49.7"]
    assert next(row for row in published if row[0] == "DFF")[7] == "-"
    assert len(plain["systems"]) == len(published)
    assert [row[0] for row in cells(markdown, "measured here")][-1] == "BL2, mode offline"
    assert all(row["measured"] for row in plain["rows"])


def test_camvid(make_bench):
    bench = make_bench(labelled=(19,))
    table, markdown, _ = made(8, bench)
    assert [row[5] for row in cells(markdown, "BL2")] == ["73.5", "68.0", "70.0", "70.4", "71.2"]
    assert all(row.point in bench.scores for row in table.rows)


def test_the_threshold_decides_which_frames_are_selected(make_bench):
    never, always = (TABLES[8](Plan((96, 128), settings=PaperSettings(FFW, thr_rgfs=t))).rows[3] for t in (200, 0))
    bench = make_bench()
    bench.measure([], [never.point, always.point])
    assert bench.scores[never.point].network_cost == pytest.approx(1 / 12, abs=1e-4)
    assert bench.scores[always.point].network_cost == 1.0


def test_what_tables_share_is_measured_once(make_bench, monkeypatch):
    asked = []
    real = bench_module.evaluate

    def spy(clips, model, ways, encoding, *args, rounds, **kwargs):
        asked.append((encoding.gop, len(ways), rounds))
        return real(clips, model, ways, encoding, *args, rounds=rounds, **kwargs)

    monkeypatch.setattr(bench_module, "evaluate", spy)
    bench = make_bench(rounds=1)
    points = [p for number in (6, 8) for p in TABLES[number](PLAN).points]
    bench.measure([PLAN.point("bl2", RGC, alpha=0.3)], [p for p in points if p.gop == 12])
    # Six ways on one kind of clips: their accuracy together, then the speed of those that are asked for it.
    assert asked == [(12, 6, 0), (12, 5, 1)]
    assert bench.scores[PLAN.point("bl2", ALL)].fps > 0


def test_a_network_that_takes_no_regions(make_bench, model):
    model.takes_crops = False
    _, markdown, plain = made(8, make_bench())
    assert "* FFW + RGC: torch cannot take regions of a frame" in markdown
    assert [row["measured"] is None for row in plain["rows"]] == [False, False, True, False, True]


def test_the_range_over_phases_is_shown(make_bench):
    bench = make_bench(labelled=(19,))
    bench.draw = type(bench.draw)(phases=3, seed=0)
    table, markdown, _ = made(8, bench)
    low, high = bench.scores[table.rows[1].point].miou_range
    assert f"({100 * low:.1f} to {100 * high:.1f})" in cells(markdown, "BL2")[1][1]
    assert "3 positions a clip, drawn with seed 0" in markdown
