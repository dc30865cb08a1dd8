import json

import pytest
from typer.testing import CliRunner

from taplab import OnnxModel
from taplab.cli import bench, evaluate, export, segment  # noqa: F401  (register themselves)
from taplab.cli.app import app


@pytest.fixture
def taplab(tmp_path, monkeypatch):
    """``taplab(*args)``: a command within this process, with a cache of its own."""
    monkeypatch.setenv("TAPLAB_CACHE", str(tmp_path / "cache"))
    return lambda *args: CliRunner().invoke(app, [*map(str, args)])


def test_a_bundled_model_is_exported(taplab, tmp_path):
    result = taplab("export", "bl2-synthetic", "-o", tmp_path / "made" / "net.onnx")
    assert result.exit_code == 0, result.output
    assert f"bl2-synthetic -> {tmp_path / 'made' / 'net.onnx'}" in result.stdout
    model = OnnxModel(tmp_path / "made" / "net.onnx")
    assert model.classes[0] == "sky"
    assert "bl2-synthetic.md" in json.loads(model._session.about)["origin"]


def test_int8_says_how_well_it_agrees(taplab, tmp_path, make_clip):
    result = taplab("export", "bl2-synthetic", "-o", tmp_path / "net.onnx", "--int8", make_clip("mpeg4"))
    assert result.exit_code == 0, result.output
    assert "% of the pixels of 4 other frames" in result.stdout
    origin = json.loads(OnnxModel(tmp_path / "net.onnx")._session.about)["origin"]
    assert origin.endswith(f"; int8 by frames of {make_clip('mpeg4').name}")
    for file, video, says, status in [
        ("net.xml", "a.mp4", "int8 is for ONNX Runtime", 2),
        ("b.onnx", "a.mp4", "no such file", 1),
    ]:
        result = taplab("export", "bl2-synthetic", "-o", tmp_path / file, "--int8", tmp_path / video)
        assert (result.exit_code, says in result.stderr) == (status, True), result.stderr
        assert not (tmp_path / file).exists()


@pytest.mark.parametrize(
    ("model", "file", "says", "status"),
    [
        ("bl2-synthetic", "net.pt", "give FILE.onnx or FILE.xml", 2),
        ("nothing", "net.onnx", "nothing: no such model", 1),
    ],
)
def test_wrong_use_is_told(taplab, tmp_path, model, file, says, status):
    result = taplab("export", model, "-o", tmp_path / file)
    assert (result.exit_code, says in result.stderr) == (status, True), result.stderr
    assert not list(tmp_path.glob("net*"))


def test_a_foreign_model_is_not_exported_and_has_no_engine(taplab, tmp_path, make_clip):
    taplab("export", "bl2-synthetic", "-o", tmp_path / "net.onnx", "-q")
    foreign = f"onnx:{tmp_path / 'net.onnx'}"
    result = taplab("export", foreign, "-o", tmp_path / "other.onnx")
    assert (result.exit_code, "only taplab's own torch networks" in result.stderr) == (1, True)
    result = taplab("segment", make_clip("mpeg4"), "-o", tmp_path / "out", "--model", foreign, "--engine", "auto")
    assert (result.exit_code, "engine auto is for taplab's own networks" in result.stderr) == (1, True)


def test_segment_and_bench_and_eval_take_an_engine(taplab, tmp_path, make_clip):
    common = ["--model", "bl2-synthetic", "--engine", "onnx"]
    result = taplab("segment", make_clip("mpeg4"), "-o", tmp_path / "out", "--max-frames", 3, *common)
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["model"] == "bl2-synthetic (onnx)"
    how = ["--max-frames", 3, "--rounds", 1, "--modes", "paper", "--json", tmp_path / "bench.json"]
    result = taplab("bench", make_clip("mpeg4"), *how, "--model", "bl2-synthetic", "--engine", "auto")
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "bench.json").read_text())["model"] != "bl2-synthetic (auto)"  # it has been chosen
    how = ["--seeds", 101, "--frames", 6, "--modes", "paper", "--rounds", 0, "--json", tmp_path / "eval.json"]
    result = taplab("eval", "synthetic", "--size", "96x128", *how, *common)
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "eval.json").read_text())[0]["model"] == "bl2-synthetic (onnx)"
    result = taplab("segment", make_clip("mpeg4"), "-o", tmp_path / "out", "--engine", "tvm")
    assert (result.exit_code, "choose from torch, onnx, openvino, auto" in result.stderr) == (2, True)
