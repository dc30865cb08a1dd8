import json

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F

from taplab import MissingExtraError, ModelError, OnnxModel, OutputError, SettingError, TorchModel, load_model
from taplab.models.export import export
from taplab.models.zoo import build
from taplab.models.zoo.layers import bin_weights

CLASSES = ("road", "car", "sky", "tree", "pole")
PALETTE = [(i, 2 * i, 3 * i) for i in range(5)]


def network(architecture, width=0.125, **how):
    """Small, with random weights and statistics, so that a lost layer shows."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        net = build(architecture, 5, width)
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                torch.nn.init.uniform_(module.running_mean, -0.1, 0.1)
                torch.nn.init.uniform_(module.running_var, 0.5, 1.0)
    return TorchModel(net, **{"classes": CLASSES, "palette": PALETTE, "name": architecture, **how})


def pictures(count, rows, columns):
    return np.random.default_rng(rows).integers(0, 256, (count, rows, columns, 3), np.uint8)


def told(count, rows, columns):
    """What was carried, and how well it matches."""
    cells = -(-rows // 4), -(-columns // 4)
    draw = torch.Generator().manual_seed(2)
    carried = torch.rand(count, 5, *cells, generator=draw).softmax(1)
    return carried, torch.rand(count, 1, *cells, generator=draw)


SIZES = [(2, 64, 96), (1, 77, 131), (3, 20, 200), (1, 181, 322)]


@pytest.fixture(params=[".onnx", ".xml"])
def ending(request):
    if request.param == ".xml":
        pytest.importorskip("openvino")
    return request.param


@pytest.mark.parametrize("architecture", ["bl1", "bl2", "bl3"])
def test_scores_of_any_size_and_batch_are_those_of_torch(architecture, ending, tmp_path):
    model = network(architecture)
    export(model, tmp_path / f"net{ending}")
    again = load_model(tmp_path / f"net{ending}")
    if ending == ".xml":
        again = type(again)(tmp_path / "net.xml", precision="float32")
    for size in SIZES:
        expected, found = model(pictures(*size)), again(pictures(*size))
        assert found.shape == expected.shape
        assert torch.allclose(found, expected, atol=1e-4 * float(expected.abs().max()))


def test_a_network_made_for_warping_has_a_second_file(ending, tmp_path):
    model = network("bl2-warp")
    torch.nn.init.normal_(model.net.follower.correction.weight)
    files = export(model, tmp_path / f"net{ending}")
    assert {file.name for file in files} >= {f"net{ending}", f"net-follow{ending}"}
    again = load_model(tmp_path / f"net{ending}")
    if ending == ".xml":
        again = type(again)(tmp_path / "net.xml", precision="float32")
    assert again.follow_cost == model.follow_cost
    for size in SIZES:
        expected = model.follow(pictures(*size), *told(*size))
        assert torch.allclose(again.follow(pictures(*size), *told(*size)), expected, atol=1e-4)
    next(file for file in files if file.name == f"net-follow{ending}").unlink()
    with pytest.raises(ModelError, match=rf"its second file, net-follow{ending}, is not beside it; keep both"):
        load_model(tmp_path / f"net{ending}")


def test_the_file_says_all_about_itself(ending, tmp_path):
    model = network("bl2", mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6), takes_crops=False)
    export(model, tmp_path / f"net{ending}", "my data; step 3")
    again = load_model(tmp_path / f"net{ending}")
    assert (again.classes, again.palette, again.takes_crops) == (CLASSES, PALETTE, False)
    image = pictures(1, 64, 64)
    assert torch.equal(again(image).argmax(1), model(image).argmax(1))  # mean and std
    with pytest.raises(ModelError, match="no network made for warping"):
        again.follow(image, *told(1, 64, 64))
    (tmp_path / "net.toml").write_text("palette = [" + "[9, 9, 9], " * 5 + "]")
    assert load_model(tmp_path / f"net{ending}").palette == [(9, 9, 9)] * 5


def test_the_onnx_file_is_in_order(tmp_path):
    export(network("bl2", classes=CLASSES[:3], palette=PALETTE[:3]), tmp_path / "net.onnx", "my data")
    made = onnx.load(tmp_path / "net.onnx")
    onnx.checker.check_model(made, full_check=True)
    (entry,) = made.metadata_props
    assert (entry.key, json.loads(entry.value)["origin"]) == ("taplab", "my data")
    assert [v.dim_param for v in made.graph.input[0].type.tensor_type.shape.dim] == ["images", "", "rows", "columns"]
    assert OnnxModel(tmp_path / "net.onnx")(pictures(1, 64, 64)).shape == (1, 3, 16, 16)  # channels beyond are left out
    assert [file.name for file in tmp_path.iterdir()] == ["net.onnx"]


def test_metadata_that_is_no_table_is_refused(tmp_path):
    export(network("bl2"), tmp_path / "net.onnx")
    for text in ("[1]", "{"):
        made = onnx.load(tmp_path / "net.onnx")
        onnx.helper.set_model_props(made, {"taplab": text})
        onnx.save(made, tmp_path / "odd.onnx")
        with pytest.raises(ModelError, match="export it again"):
            OnnxModel(tmp_path / "odd.onnx")


def test_exporting_leaves_the_model_as_it_was(tmp_path):
    model, image = network("bl2", precision="bfloat16"), pictures(1, 64, 96)
    before = model(image)
    export(model, tmp_path / "net.onnx")
    assert torch.equal(model(image), before)
    assert not model.net.training


def test_what_cannot_be_exported(tmp_path, monkeypatch):
    with pytest.raises(SettingError, match=r"give FILE\.onnx or FILE\.xml"):
        export(network("bl2"), tmp_path / "net.pt")
    stranger = TorchModel(torch.nn.Conv2d(3, 5, 1), classes=CLASSES, name="mine")
    with pytest.raises(ModelError, match="mine: only taplab's own"):
        export(stranger, tmp_path / "net.onnx")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        export(network("bl2"), tmp_path / "file" / "net.onnx")
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'taplab\[onnx\]'"):
        export(network("bl2"), tmp_path / "net.onnx")
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("bins", [1, 2, 3, 6, 8])
def test_bin_weights_are_adaptive_pooling(bins):
    for cells in (*range(1, 20), 64):
        x = torch.randn(2, cells, 5)
        pooled = F.adaptive_avg_pool2d(x, (min(bins, cells), 5))
        assert torch.allclose(bin_weights(torch.tensor(cells), bins) @ x, pooled, atol=1e-6)
