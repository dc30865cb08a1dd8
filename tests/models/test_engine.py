import json
import sys

import numpy as np
import pytest
import torch

from taplab import Segmenter, SyntheticDrive, TorchModel, load_model, save_pretrained
from taplab.errors import MissingExtraError, ModelError, OutputError, SettingError
from taplab.labels import labels_from_scores
from taplab.models import engine as engines
from taplab.models.engine import Fastest, choose, exported, time_passes, with_engine
from taplab.models.pretrained import card_for
from taplab.models.zoo import build

NAME, SIZE = "bl2-synthetic", (180, 240)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("TAPLAB_CACHE", str(folder))
    return folder


@pytest.fixture
def frames():
    return np.stack([rgb for rgb, _ in SyntheticDrive(*SIZE, 4, seed=107)])


def labels(model, images):
    return np.stack([labels_from_scores(scores, SIZE) for scores in model(images)])


def exact(model):
    model.dtype = torch.float32
    return model


def tiny(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return TorchModel(build("bl2", 3, 0.125), classes=("a", "b", "c"), name="tiny")


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_labels_agree_with_torch(engine, frames):
    if engine == "openvino":
        pytest.importorskip("openvino")
    model = exact(load_model(NAME))
    other = with_engine(model, engine)
    assert other.name == f"{NAME} ({engine})"
    assert (other.classes, other.palette, other.takes_crops) == (model.classes, model.palette, model.takes_crops)
    assert torch.allclose(other(frames), model(frames), atol=1e-3)
    assert (labels(other, frames) == labels(model, frames)).mean() > 0.999


def test_bfloat16_of_openvino_is_as_good_as_that_of_torch(frames):
    pytest.importorskip("openvino")
    model = load_model(NAME)
    model.dtype = torch.bfloat16
    expected = labels(exact(load_model(NAME)), frames)
    agreement = (labels(with_engine(model, "openvino"), frames) == expected).mean()
    assert agreement > 0.997
    assert agreement > (labels(model, frames) == expected).mean() - 0.001


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_a_video_and_a_network_made_for_warping(engine, make_clip, tmp_path):
    if engine == "openvino":
        pytest.importorskip("openvino")
    with torch.random.fork_rng():
        torch.manual_seed(3)
        net = build("bl2-warp", 3, 0.125)
    save_pretrained(net, card_for("bl2-warp", 0.125, "abc", [(0, 0, 0)] * 3), tmp_path)
    model = exact(load_model(tmp_path))
    found = [
        [result.labels for result in Segmenter(m, mode="offline").stream(make_clip("mpeg4"), max_frames=14)]
        for m in (model, with_engine(model, engine))
    ]
    assert np.mean(np.stack(found[0]) == np.stack(found[1])) > 0.999


def test_exported_once_for_the_same_weights(cache):
    first = exported(tiny())
    before = first.stat().st_mtime_ns
    assert exported(tiny()) == first
    assert first.stat().st_mtime_ns == before
    assert exported(tiny(seed=1)) != first
    assert first.is_relative_to(cache)


def test_auto_takes_the_fastest_and_remembers_it(monkeypatch, cache):
    times = {"torch": 3.0, "onnx": 1.0, "openvino": 2.0}
    asked = []

    def timed(models, size):
        asked.append(size)
        return {name: times[name] for name in models}

    monkeypatch.setattr(engines, "time_passes", timed)
    model = with_engine(tiny(), "auto")
    assert isinstance(model, Fastest)
    assert asked == []
    model.settle((0, 0))  # unknown
    assert asked == []
    model.settle((64, 96))
    assert (model.name, asked) == ("tiny (onnx)", [(64, 96)])
    model(np.zeros((1, 32, 32, 3), np.uint8))  # a region
    assert choose(tiny(), (64, 96)).name == "tiny (onnx)"
    assert asked == [(64, 96)]
    (file,) = cache.glob("engines/*.json")
    assert json.loads(file.read_text())["engine"] == "onnx"
    file.write_text("[]")
    times["torch"] = 0.5
    assert choose(tiny(), (64, 96)).name == "tiny"
    assert choose(tiny(), (96, 96)).name == "tiny"
    assert asked == [(64, 96), (64, 96), (96, 96)]


def test_auto_chooses_before_the_pipeline_starts(monkeypatch, make_clip):
    asked = []
    monkeypatch.setattr(engines, "time_passes", lambda models, size: asked.append(size) or {"onnx": 1.0})
    segmentation = Segmenter(with_engine(tiny(), "auto")).stream(make_clip("mpeg4"), max_frames=2)
    assert asked == [(144, 192)]
    assert len(list(segmentation)) == 2
    assert segmentation.summary().model == "tiny (onnx)"
    assert asked == [(144, 192)]


def test_auto_goes_without_what_is_not_installed(monkeypatch):
    for package in ("onnxruntime", "openvino"):
        monkeypatch.setitem(sys.modules, package, None)
    assert choose(tiny(), (64, 96)).name == "tiny"


def test_passes_are_timed_in_turn():
    made = []

    def model(name):
        return lambda images: made.append((name, images.shape))

    seconds = time_passes({"a": model("a"), "b": model("b")}, (4, 6), rounds=2)
    assert made == [("a", (1, 4, 6, 3)), ("b", (1, 4, 6, 3))] * 3
    assert set(seconds) == {"a", "b"}
    assert all(s > 0 for s in seconds.values())


def test_wrong_use_is_told(monkeypatch, tmp_path):
    with pytest.raises(SettingError, match="engine 'tvm': choose from torch, onnx, openvino, auto"):
        with_engine(tiny(), "tvm")
    stranger = TorchModel(torch.nn.Conv2d(3, 5, 1), classes="abcde", name="mine")
    with pytest.raises(ModelError, match=r"mine: engine auto is for taplab's own networks .*; leave it out"):
        with_engine(stranger, "auto")
    model = tiny()
    assert with_engine(model, "torch") is model
    model.device = "cuda"
    with pytest.raises(SettingError, match="engine onnx: runs on the processor"):
        with_engine(model, "onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"^this needs ONNX Runtime: pip install 'taplab\[onnx\]'"):
        with_engine(tiny(), "onnx")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TAPLAB_CACHE", str(tmp_path / "file"))
    with pytest.raises(OutputError, match="set TAPLAB_CACHE"):
        with_engine(tiny(), "onnx")
