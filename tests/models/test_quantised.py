import numpy as np
import onnx
import pytest
import torch

from taplab import MissingExtraError, OnnxModel, SettingError, SourceError, SyntheticDrive, load_model
from taplab.models.export import export
from taplab.models.quantised import agreement, pictures_of

SIZE = (180, 240)


def frames(seed, count=8):
    return [rgb for rgb, _ in SyntheticDrive(*SIZE, count, seed=seed)]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The network in float32, and in int8 by another drive than those it is looked at with."""
    file = tmp_path_factory.mktemp("int8") / "net.onnx"
    model = load_model("bl2-synthetic")
    model.dtype = torch.float32
    return model, export(model, file, "my data", frames(seed=1)), OnnxModel(file)


def test_labels_stay_nearly_what_they_were(made):
    model, _, quantised = made
    assert quantised.classes == model.classes
    assert quantised.palette == model.palette
    assert 0.99 < agreement(model, quantised, frames(seed=107)) < 1


@pytest.mark.parametrize("size", [(76, 132), (90, 120), (360, 480)])
def test_other_sizes_than_that_of_the_frames(made, size):
    model, _, quantised = made
    images = [rgb[1:, 1:] for rgb, _ in SyntheticDrive(*size, 2, seed=107)]  # odd
    assert quantised(np.stack(images)).shape == model(np.stack(images)).shape
    assert agreement(model, quantised, images) > 0.985


def test_convolutions_are_in_int8_but_for_the_first_and_the_last(made):
    graph = onnx.load(made[1][0]).graph
    constants = {tensor.name: tensor.data_type for tensor in graph.initializer}
    quantisers = {node.output[0]: node for node in graph.node if node.op_type == "DequantizeLinear"}
    in_float, in_int8 = [], []
    for node in graph.node:
        if node.op_type == "Conv":
            weights = quantisers.get(node.input[1])
            (in_float if weights is None else in_int8).append(node.name)
            if weights is not None:
                assert constants[weights.input[0]] == onnx.TensorProto.INT8
    assert len(in_int8) > 20
    assert all(
        name.startswith(("/stem/", "/stages.0/", "/stages.1/", "/pyramid/", "/classifier/")) for name in in_float
    )
    assert any("classifier" in name for name in in_float)


def test_a_network_made_for_warping_follows_in_float(tmp_path):
    model = load_model("bl2-warp")
    model.dtype = torch.float32
    export(model, tmp_path / "net.onnx", pictures=frames(seed=1, count=2))
    quantised = OnnxModel(tmp_path / "net.onnx")
    image, cells = frames(seed=107)[0][None], (SIZE[0] // 4, SIZE[1] // 4)
    told = torch.rand(1, 11, *cells).softmax(1), torch.rand(1, 1, *cells)
    assert not torch.allclose(quantised(image), model(image), atol=1e-2)
    assert torch.allclose(quantised.follow(image, *told), model.follow(image, *told), atol=1e-3)


def test_pictures_are_spread_over_the_video(make_clip, drive, tmp_path):
    ours, others = pictures_of(make_clip("mpeg4"))
    assert (len(ours), len(others)) == (12, 4)
    assert all(picture.shape == (144, 192, 3) for picture in ours + others)
    assert not any(np.array_equal(one, other) for one in ours for other in others)
    with pytest.raises(SourceError, match="no such file"):
        pictures_of(tmp_path / "none.mp4")


def test_what_cannot_be(tmp_path, monkeypatch):
    model = load_model("bl2-synthetic")
    with pytest.raises(SettingError, match=r"net\.xml: int8 is for ONNX Runtime; give FILE\.onnx"):
        export(model, tmp_path / "net.xml", pictures=frames(1, 1))
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'taplab\[onnx\]'"):
        export(model, tmp_path / "net.onnx", pictures=frames(1, 1))
    assert not list(tmp_path.iterdir())
