import json
import sys

import numpy as np
import pytest
import torch

from taplab import ModelError, load_model, load_pretrained, save_pretrained
from taplab.models.load import bundled
from taplab.models.pretrained import card_for
from taplab.models.zoo import build


def test_bl2_is_the_paper_s_size():
    net = build("bl2", 19)
    assert sum(p.numel() for p in net.parameters()) / 1e6 == pytest.approx(4.9, abs=0.1)
    macs = 0

    def count(module, _, out):
        nonlocal macs
        macs += out[0].numel() * module.weight[0].numel()

    for module in net.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(count)
    with torch.inference_mode():
        assert net.eval()(torch.zeros(1, 3, 256, 512)).shape == (1, 19, 64, 128)
    assert macs * 16 / 1e9 == pytest.approx(40, abs=1)  # a sixteenth of 1024x2048


@pytest.mark.parametrize("size", [(33, 47), (32, 32), (180, 320), (540, 960)])
def test_bl2_takes_any_size(size):
    net = build("bl2", 3, 0.25).eval()
    with torch.inference_mode():
        assert net(torch.zeros(1, 3, *size)).shape == (1, 3, -(-size[0] // 4), -(-size[1] // 4))


def test_backward_reaches_every_weight():
    net = build("bl2", 3, 0.25)
    net(torch.randn(2, 3, 64, 64)).sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())


def test_save_and_load(tmp_path):
    net = build("bl2", 3, 0.25).eval()
    path = save_pretrained(net, card_for("bl2", 0.25, "abc", [(1, 2, 3)] * 3), tmp_path / "mine")
    model = load_pretrained(tmp_path / "mine", precision="float32")
    assert path.name == "model.safetensors"
    assert (model.name, model.classes, model.palette[0]) == ("mine", ("a", "b", "c"), (1, 2, 3))
    image = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
    with torch.inference_mode():
        x = (torch.from_numpy(image).permute(0, 3, 1, 2) / 255 - torch.tensor(model.mean).view(3, 1, 1)) / torch.tensor(
            model.std
        ).view(3, 1, 1)
        assert torch.allclose(model(image), net(x), atol=0.02)  # weights are kept in half precision


def test_bundled_models_work():
    assert {"bl2-camvid", "bl2-synthetic"} <= set(bundled())
    for name in bundled():
        model = load_model(name)
        model.warm_up((64, 96))
        assert model.name == name
        assert len(model.palette) == len(model.classes) == 11


def test_unknown_models_are_told_in_one_line(tmp_path):
    with pytest.raises(ModelError, match="bundled are bl2-camvid"):
        load_model("bl7")
    with pytest.raises(ModelError, match="no such weights"):
        load_model(tmp_path / "none.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"12345678{}")
    with pytest.raises(ModelError, match="not weights saved by taplab"):
        load_model(tmp_path / "bad.safetensors")


def test_weights_of_another_network_are_refused(tmp_path):
    from safetensors.torch import save_file

    card = {"architecture": "bl2", "width": 0.25, "classes": ["a"], "palette": [[0, 0, 0]]}
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors", {"taplab": json.dumps(card)})
    with pytest.raises(ModelError, match="do not fit bl2"):
        load_model(tmp_path / "other.safetensors")
    save_file(
        {"x": torch.zeros(1)}, tmp_path / "new.safetensors", {"taplab": json.dumps({**card, "architecture": "bl9"})}
    )
    with pytest.raises(ModelError, match="bl9"):
        load_model(tmp_path / "new.safetensors")


def test_a_model_from_python(tmp_path, monkeypatch):
    (tmp_path / "mymodel.py").write_text(
        "import torch, taplab\n"
        "def make(device):\n"
        "    return taplab.TorchModel(torch.nn.Conv2d(3, 2, 1), classes=('a', 'b'), device=device)\n"
        "def wrong(device):\n"
        "    return 3\n"
    )
    monkeypatch.chdir(tmp_path)
    assert load_model("python:mymodel:make").classes == ("a", "b")
    assert "" not in sys.path[:1] or sys.path.count("") <= 1
    for text, says in [
        ("python:mymodel", "MODULE:CALLABLE"),
        ("python:mymodel:none", "none"),
        ("python:mymodel:wrong", "int"),
    ]:
        with pytest.raises(ModelError, match=says):
            load_model(text)
