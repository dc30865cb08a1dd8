import json
import re
import sys
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from taplab import MissingExtraError, ModelError, PaperSettings, SettingError, SourceError
from taplab.data.clips import ClipSet
from taplab.evaluation.bench import Subject
from taplab.evaluation.figures import FIGURES, draw
from taplab.evaluation.figures.curves import weight_curve
from taplab.evaluation.figures.names import name_markers
from taplab.evaluation.figures.scene import scenes
from taplab.evaluation.figures.sheet import label_picture
from taplab.evaluation.figures.style import new_axes, new_figure
from taplab.evaluation.points import COMBINATIONS, GOPS, RGC, RGFS, Plan
from taplab.evaluation.setting import Setting

PLAN = Plan((96, 128), networks=("bl2",))


def drawn(number, bench, folder, plan=PLAN, frame=None):
    """The plotted data; the pictures are there and can be read."""
    sketch = FIGURES[number]
    points = sketch.points(plan)
    bench.measure(points, points if sketch.timed else [])
    png, svg, data = draw(sketch, plan, bench, Setting.of(bench, plan, "taplab eval"), folder, frame)
    with Image.open(png) as image:
        assert image.width > 600
        assert image.height > 250
        assert len(np.unique(np.asarray(image.convert("L")))) > 20
    assert ElementTree.parse(svg).getroot().tag.endswith("svg")
    assert [f.name for f in (png, svg, data)] == [f"figure-{number}.{s}" for s in ("png", "svg", "json")]
    plain = json.loads(data.read_text())
    assert plain["setting"]["command"] == "taplab eval"
    data_name = bench.subjects["bl2"].clips.name
    assert plain["title"].endswith(f"; {data_name}")
    written = " ".join(re.findall("<!-- (.*) -->", svg.read_text()))  # what the drawn glyphs say
    for words in (f"Data: {data_name}, ", "BL2 is torch", "mpeg4, quantiser 3", "Hardware: "):
        assert words in written
    assert ("Speed: on the first clip alone" in written) == sketch.timed
    return plain


def test_accuracy_against_speed(make_bench, tmp_path):
    bench = make_bench(rounds=1)
    data = drawn(1, bench, tmp_path)
    assert [m["modules"] for m in data["measured"]] == [[], *map(list, COMBINATIONS)]
    score = bench.scores[PLAN.point("bl2")]
    assert data["measured"][1] == {
        "network": "bl2",
        "modules": ["ffw"],
        "fps": score.network_fps,
        "miou": round(100 * score.miou, 2),
    }
    assert {"network": "bl2", "modules": ["ffw"], "fps": 160.4, "miou": 64.4} in data["paper"]
    assert all(system["fps"] for system in data["systems"])


def test_gop_curve(make_bench, tmp_path):
    bench = make_bench()
    data = drawn(8, bench, tmp_path)
    for modules in COMBINATIONS:
        expected = {str(g): round(100 * bench.scores[PLAN.point("bl2", modules, gop=g)].miou, 2) for g in GOPS}
        assert data["measured"]["+".join(modules)] == expected
    assert data["paper"]["ffw"] == {"3": 71.9, "6": 69.3, "9": 67.4, "12": 64.4}
    assert data["paper"]["ffw+rgc"] == {"12": 68.2}


def test_weight_curve(make_bench, tmp_path):
    bench = make_bench()
    data = drawn(11, bench, tmp_path)
    assert data["weights"] == [k / 10 for k in range(11)]
    assert data["miou"]["bl2"][3] == round(100 * bench.scores[PLAN.point("bl2", RGC, alpha=0.3)].miou, 2)
    assert data["miou"]["bl2"][10] > data["miou"]["bl2"][0]  # this network takes crops as well as frames
    assert data["ffw"]["bl2"] == round(100 * bench.scores[PLAN.point("bl2")].miou, 2)
    assert data["best"]["bl2"] == [
        a for a, v in zip(data["weights"], data["miou"]["bl2"], strict=True) if v == max(data["miou"]["bl2"])
    ]
    assert "strictly between 0 and 1" in data["paper"]


def test_equal_weights_are_all_the_best(make_bench):
    bench = make_bench()
    bench.measure(FIGURES[11].points(PLAN), [])
    score = bench.scores[PLAN.point("bl2")]
    bench.scores = {
        point: replace(score, miou=0.6 if point.way.settings.alpha in (0.4, 0.5) else 0.5) for point in bench.scores
    }
    figure, data = weight_curve(PLAN, bench, None)
    assert data["best"] == {"bl2": [0.4, 0.5]}
    assert figure.axes[0].get_title() == "BL2: best at 0.4, 0.5, 60.0 %"
    bench.scores = dict.fromkeys(bench.scores, score)
    assert "best at every weight" in weight_curve(PLAN, bench, None)[0].axes[0].get_title()


def test_motion_and_residual(make_bench, tmp_path):
    bench = make_bench()
    data = drawn(5, bench, tmp_path)
    assert np.shape(data["vectors"]) == (12, 16, 2)
    assert np.hypot(*np.moveaxis(np.array(data["vectors"]), -1, 0)).max() > 0.5
    data = drawn(6, bench, tmp_path)
    assert np.shape(data["sums"]) == (6, 8)
    assert data["grey_levels_per_pixel"] == pytest.approx(np.sum(data["sums"]) / (96 * 128))


@pytest.mark.parametrize("number", [7, 9, 12, 13])
def test_strips(number, make_bench, tmp_path):
    data = drawn(number, make_bench(labelled=(19,)), tmp_path)
    (scene,) = data["scenes"] if number in (12, 13) else [data]
    distance = 6 if number == 7 else 11
    assert scene["scene"].endswith(f"frame 19, {distance} after the key frame")
    assert scene["right"]["FFW"] < scene["right"]["per frame"]


def test_a_frame_that_was_selected(make_bench, tmp_path):
    data = drawn(10, make_bench(), tmp_path)
    assert 0.85 * data["residual"] < data["threshold_lowered"] < 0.95 * data["residual"]
    assert data["right"]["FFW + RGFS"] > data["right"]["FFW"]
    plan = Plan((96, 128), settings=PaperSettings(thr_rgfs=0.1))
    assert not drawn(10, make_bench(), tmp_path, plan)["threshold_lowered"]


def test_the_shown_frame(make_bench):
    bench = make_bench()
    (scene,) = scenes(bench, "bl2", 12, 20)
    assert (scene.first, scene.position) == (9, 11)
    result = scene.result(PLAN.point("bl2", RGFS).way)
    assert result.index == 11
    assert result.kind == "P"
    np.testing.assert_array_equal(scene.truth(), scene.clip.truth(20))
    assert scenes(make_bench(labelled=(4, 7)), "bl2", 12, None)[0].position == 7


def test_frames_that_cannot_be_shown(make_bench):
    with pytest.raises(
        SettingError, match=r"--frame 5: drive-96x128-medium-5 has no labels there; it has labels at 19"
    ):
        scenes(make_bench(labelled=(19,)), "bl2", 12, 5)
    with pytest.raises(SettingError, match="frame 0: a key frame shows no warping"):
        scenes(make_bench(), "bl2", 12, 0)
    with pytest.raises(SourceError, match="no frame with labels"):
        scenes(make_bench(labelled=()), "bl2", 12, None)


def test_several_clips_stand_side_by_side(make_bench, bright, tmp_path):
    bench = make_bench(labelled=(11,))
    subject = bench.subjects["bl2"]
    clips = [bright((11,), seed=seed).clips[0] for seed in (5, 6)]
    both = ClipSet("two", subject.clips.classes, subject.clips.palette, clips)
    bench.subjects = {"bl2": Subject(subject.model, both)}
    assert len(drawn(12, bench, tmp_path)["scenes"]) == 2


def test_a_network_without_regions_has_no_figure_9(make_bench, model, tmp_path):
    model.takes_crops = False
    for number in (9, 11):
        with pytest.raises(ModelError, match=f"figure {number} shows RGC: torch cannot take regions"):
            drawn(number, make_bench(), tmp_path)


def test_a_picture_without_any_label_has_no_share(make_bench, tmp_path, monkeypatch):
    bench = make_bench(labelled=(19,))
    monkeypatch.setattr(bench.subjects["bl2"].clips.clips[0], "truth", lambda index: np.full((96, 128), 255, np.uint8))
    assert drawn(12, bench, tmp_path)["scenes"][0]["right"] == {}


def test_names_cover_neither_markers_nor_each_other():
    figure = new_figure(6, 4)
    axes = new_axes(figure, "x", "y")
    places = [(0.5, 0.5, "first"), (0.53, 0.5, "second"), (0.5, 0.53, "third"), (0.99, 0.5, "at the border")]
    for x, y, _ in places:
        axes.plot(x, y, "o")
    axes.plot([0.5, 0.5], [0, 1], "-")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    name_markers(figure, axes, places)
    boxes = [text.get_window_extent() for text in axes.texts]
    middles = axes.transData.transform([place[:2] for place in places])
    assert not any(a.overlaps(b) for k, a in enumerate(boxes) for b in boxes[:k])
    assert not any(box.contains(*middle) for box in boxes for middle in middles)
    assert all(box.x1 <= axes.bbox.x1 for box in boxes)
    assert [text.get_text() for text in axes.texts] == ["first", "second", "third", "at the border"]


def test_labels_without_a_class_are_black():
    picture = label_picture(np.array([[0, 255]], np.uint8), ((10, 20, 30), (1, 2, 3)))
    assert picture.tolist() == [[[10, 20, 30], [0, 0, 0]]]


def test_matplotlib_is_an_extra(make_bench, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'taplab\[eval\]'"):
        draw(FIGURES[8], PLAN, make_bench(), Setting.of(make_bench(), PLAN, ""), tmp_path, None)
