import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from taplab import ModelError, load_model, load_pretrained, save_pretrained
from taplab.data.stills import SyntheticStills
from taplab.models.bundled import bundled, weights_of
from taplab.models.cost import multiply_adds
from taplab.models.pretrained import begin_with, card_for, read_card
from taplab.models.zoo import ARCHITECTURES, build
from taplab.training.loop import train
from taplab.training.recipes import RECIPES


@pytest.mark.parametrize(
    ("name", "millions", "giga_multiply_adds"),
    [("bl1", 6.7, 29), ("bl2", 4.85, 40), ("bl3", 66, 626)],  # BL3's cost is ours: the paper gives none
)
def test_networks_are_the_paper_s_size(name, millions, giga_multiply_adds):
    with torch.device("meta"):
        net = build(name, 19)
    assert sum(p.numel() for p in net.parameters()) / 1e6 == pytest.approx(millions, rel=0.015)
    assert multiply_adds(net, (1024, 2048)) / 1e9 == pytest.approx(giga_multiply_adds, rel=0.015)


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("size", [(1, 1), (33, 47), (32, 32), (181, 321), (64, 512)])
def test_networks_take_any_size(name, size):
    net = build(name, 3, 0.125).eval()
    with torch.inference_mode():
        scores = net(torch.randn(1, 3, *size))
    assert scores.shape == (1, 3, -(-size[0] // net.stride), -(-size[1] // net.stride))
    assert scores.isfinite().all()


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("size", [(64, 64), (45, 83)])
def test_backward_reaches_every_weight(name, size):
    torch.manual_seed(0)
    net = build(name, 3, 0.125)
    scores = net(torch.randn(2, 3, *size))
    F.cross_entropy(scores, torch.randint(3, (2, *scores.shape[-2:]))).backward()
    without = [n for n, p in net.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert without == []
    # A weight that the loss does not depend on has a gradient of exactly 0.
    assert all(p.grad.any() for p in net.parameters() if p.ndim > 1)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_networks_work_at_full_width(name):
    torch.manual_seed(0)
    net = build(name, 19)
    net(torch.randn(2, 3, 65, 97)).square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize(
    ("recipe", "name"),
    [*(("paper", name) for name in ARCHITECTURES), *((recipe, "bl2") for recipe in RECIPES if recipe != "paper")],
)
def test_a_short_training_run_lowers_the_loss(recipe, name, tmp_path):
    stills, entries = SyntheticStills(range(2), 64, 96, per_drive=2), []
    torch.manual_seed(0)
    small = {"steps": 25, "batch": 4, "crops": ((1.0, (64, 64)),), "rate": 5e-3, "warmup": 0, "amp": False}
    how = replace(RECIPES[recipe], **small, validate_every=5)
    train(build(name, 11, 0.125), stills, tmp_path, how, validation=stills, progress=entries.append)
    losses = [e["validation_loss"] for e in entries if "validation_loss" in e]
    assert len(losses) == 5
    assert losses[-1] < 0.75 * losses[0]


def test_save_and_load(tmp_path):
    net = build("bl2", 3, 0.25).eval()
    card = card_for("bl2", 0.25, "abc", [(1, 2, 3)] * 3, "made for this test")
    path = save_pretrained(net, card, tmp_path / "mine")
    assert read_card(path) == card
    model = load_pretrained(tmp_path / "mine", precision="float32")
    assert path.name == "model.safetensors"
    (tmp_path / "any").touch()
    assert path.stat().st_mode == (tmp_path / "any").stat().st_mode  # others may read it where they may read anything
    assert (model.name, model.classes, model.palette[0]) == ("mine", ("a", "b", "c"), (1, 2, 3))
    image = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
    with torch.inference_mode():
        x = (torch.from_numpy(image).permute(0, 3, 1, 2) / 255 - torch.tensor(model.mean).view(3, 1, 1)) / torch.tensor(
            model.std
        ).view(3, 1, 1)
        assert torch.allclose(model(image), net(x), atol=0.02)  # weights are kept in half precision


def test_weights_from_before_origins_were_kept_load():
    assert read_card(weights_of("bl2-synthetic")).origin == ""


def test_bundled_models_work():
    assert {"bl2-camvid", "bl2-synthetic"} <= set(bundled())
    for name in bundled():
        model = load_model(name)
        model.warm_up((64, 96))
        assert model.name == name
        assert len(model.palette) == len(model.classes) == 11


def test_unknown_models_are_told_in_one_line(tmp_path):
    with pytest.raises(ModelError, match="bundled are bl1-camvid, bl2-camvid"):
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


def test_training_begins_with_the_weights_of_a_trained_model(tmp_path):
    torch.manual_seed(0)
    trained, net = build("bl2", 3, 0.125), build("bl2", 3, 0.125)
    card = card_for("bl2", 0.125, ("a", "b", "c"), [(0, 0, 0)] * 3)
    save_pretrained(trained, card, tmp_path)
    begin_with(net, str(tmp_path), "bl2", 0.125, card.classes)
    assert all(torch.allclose(v, trained.state_dict()[k], atol=1e-3) for k, v in net.state_dict().items())
    with pytest.raises(ModelError, match=r"is bl2 at width 0.125 with 3 classes; give --architecture, --width"):
        begin_with(net, str(tmp_path), "bl2", 0.5, card.classes)
    with pytest.raises(ModelError, match="bl2-camvid: is bl2 at width 1 with 11 classes"):
        begin_with(net, "bl2-camvid", "bl2", 0.125, card.classes)
