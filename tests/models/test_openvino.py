import sys
import warnings

import numpy as np
import pytest
import torch

from taplab import DeviceError, MissingExtraError, ModelError, TorchModel, load_model
from taplab.models.export import export
from taplab.models.openvino import OpenVinoModel
from taplab.models.zoo import build

pytest.importorskip("openvino")
IMAGES = np.random.default_rng(0).integers(0, 256, (2, 64, 96, 3), np.uint8)


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    file = tmp_path_factory.mktemp("net") / "net.xml"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = TorchModel(build("bl2", 3, 0.125), classes=("a", "b", "c"))
    export(model, file)
    return model, file


def test_precision_is_as_asked(net):
    model, file = net
    expected = model(IMAGES)
    exact, half = ((OpenVinoModel(file, precision=p)(IMAGES) - expected).abs().max() for p in ("float32", "bfloat16"))
    assert exact < 1e-5
    assert half < 0.05 * expected.abs().max()
    if torch.ops.mkldnn._is_mkldnn_bf16_supported():
        assert half > exact


def test_it_reads_onnx_files_too(net, tmp_path):
    model, file = net
    export(model, tmp_path / "net.onnx")
    other = OpenVinoModel(tmp_path / "net.onnx", precision="float32")
    assert other.classes == ("a", "b", "c")
    assert torch.allclose(other(IMAGES), OpenVinoModel(file, precision="float32")(IMAGES), atol=1e-6)
    assert isinstance(load_model(f"openvino:{tmp_path / 'net.onnx'}"), OpenVinoModel)


def test_an_output_is_found_by_its_name(tmp_path):
    class Heads(torch.nn.Module):
        def forward(self, x):
            return x.mean((2, 3)), torch.nn.functional.avg_pool2d(x, 4)

    names = {"input_names": ["x"], "output_names": ["means", "scores"], "dynamic_axes": {"x": {0: "n", 2: "h", 3: "w"}}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(Heads(), (torch.zeros(1, 3, 64, 96),), tmp_path / "heads.onnx", dynamo=False, **names)
    with pytest.raises(ModelError, match=r'output = "NAME": it has means \[\?, 3\], scores \['):
        OpenVinoModel(tmp_path / "heads.onnx")
    model = OpenVinoModel(tmp_path / "heads.onnx", output="scores", mean=(0, 0, 0), std=(1, 1, 1), precision="float32")
    expected = IMAGES.reshape(2, 16, 4, 24, 4, 3).mean((2, 4)).transpose(0, 3, 1, 2) / 255
    assert np.allclose(model(IMAGES), expected, atol=1e-4)


def test_scores_are_not_overwritten_by_the_next_call(net):
    model = OpenVinoModel(net[1])
    first = model(IMAGES)
    kept = first.clone()
    model(255 - IMAGES)
    assert torch.equal(first, kept)


def test_bad_files_and_devices(net, tmp_path):
    with pytest.raises(ModelError, match="no such OpenVINO file"):
        OpenVinoModel(tmp_path / "none.xml")
    (tmp_path / "text.xml").write_text("hello")
    with pytest.raises(ModelError, match="no OpenVINO file"):
        OpenVinoModel(tmp_path / "text.xml")
    (tmp_path / "alone.xml").write_bytes(net[1].read_bytes())
    with pytest.raises(ModelError, match=r"its weights, alone\.bin, are not beside it"):
        OpenVinoModel(tmp_path / "alone.xml")
    (tmp_path / "cut.xml").write_bytes(net[1].read_bytes()[:500])
    (tmp_path / "cut.bin").write_bytes(b"")
    with pytest.raises(ModelError, match=r"cut\.xml: OpenVINO cannot load it: (?!Exception)"):
        OpenVinoModel(tmp_path / "cut.xml")
    with pytest.raises(DeviceError, match="use --device cpu"):
        OpenVinoModel(net[1], device="cuda")


def test_the_missing_extra_names_the_install_line(net, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'taplab\[openvino\]'"):
        OpenVinoModel(net[1])
