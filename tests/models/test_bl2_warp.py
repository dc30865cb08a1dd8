import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from taplab import ModelError, TorchModel, load_pretrained, save_pretrained
from taplab.models.pretrained import card_for
from taplab.models.zoo.bl2 import BL2
from taplab.models.zoo.bl2_warp import BL2Warp

CLASSES = ("road", "car", "sky")


@pytest.fixture
def net():
    torch.manual_seed(0)
    return BL2Warp(3, 0.125).eval()


def told(*size):
    return torch.rand(2, 3, *size).softmax(1), torch.rand(2, 1, *size)


@pytest.mark.parametrize("size", [(32, 32), (45, 83), (181, 321)])
def test_follows_at_any_size(net, size):
    cells = -(-size[0] // 4), -(-size[1] // 4)
    with torch.inference_mode():
        scores = net.follow(torch.randn(2, 3, *size), *told(*cells))
    assert scores.shape == (2, 3, *cells)
    assert scores.isfinite().all()


def test_key_frames_are_seen_as_by_bl2(net):
    plain = BL2(3, 0.125).eval()
    plain.load_state_dict({k: v for k, v in net.state_dict().items() if not k.startswith("follower.")})
    x = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        assert torch.equal(net(x), plain(x))


def test_the_gate_decides_between_what_was_carried_and_the_glance(net):
    x, (carried, match) = torch.randn(2, 3, 64, 96), told(16, 24)
    torch.nn.init.zeros_(net.follower.gate.weight)
    with torch.inference_mode():
        net.follower.gate.bias.fill_(100)  # trusts what was carried; the correction begins as nothing
        assert torch.allclose(net.follow(x, carried, match).softmax(1), carried, atol=1e-5)
        net.follower.gate.bias.fill_(-100)
        _, glance = net.follower(x, carried, match)
        coarse = torch.nn.functional.interpolate(glance, (16, 24), mode="bilinear", align_corners=False)
        assert torch.allclose(net.follow(x, carried, match), coarse, atol=1e-5)


def test_follow_cost_is_the_share_of_multiply_adds():
    with torch.device("meta"):
        net, x = BL2Warp(11).eval(), torch.empty(1, 3, 1024, 2048)
        carried, match = torch.empty(1, 11, 256, 512), torch.empty(1, 1, 256, 512)
    work = []
    for run in (lambda: net(x), lambda: net.follow(x, carried, match)):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            run()
        work.append(counter.get_total_flops())
    assert work[1] / work[0] == pytest.approx(net.follow_cost, abs=0.003)
    assert (1 + 11 * work[1] / work[0]) / 12 <= 0.35  # a key frame every 12


def test_backward_reaches_every_weight_of_the_follower():
    torch.manual_seed(0)
    net = BL2Warp(3, 0.125)
    torch.nn.init.normal_(net.follower.correction.weight)
    scores, glance = net.follower(torch.randn(2, 3, 64, 64), *told(16, 16))
    (scores.square().mean() + glance.square().mean()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.follower.parameters())
    assert all(p.grad.any() for p in net.follower.parameters() if p.ndim > 1)


def test_follows_after_saving_and_loading(net, tmp_path):
    card = card_for("bl2-warp", 0.125, CLASSES, [(0, 0, 0)] * 3)
    model = load_pretrained(save_pretrained(net.half().float(), card, tmp_path))
    model.dtype = torch.float32
    images, (carried, match) = np.random.default_rng(0).integers(0, 255, (2, 64, 96, 3), np.uint8), told(16, 24)
    assert model.follow_cost == net.follow_cost
    again = TorchModel(net, classes=CLASSES).follow(images, carried, match)
    assert torch.allclose(model.follow(images, carried, match), again, atol=1e-3)


@pytest.mark.parametrize("cost", [-3, 1, float("nan"), "cheap"])
def test_a_cost_is_a_share_of_a_pass(net, cost):
    net.follow_cost = cost
    with pytest.raises(ModelError, match=r"follow_cost .*: write what a glance costs as a share of a pass, below 1"):
        TorchModel(net, classes=CLASSES)


def test_a_network_that_follows_has_both_cost_and_follow():
    plain = BL2(3, 0.125)
    plain.follow_cost = None
    assert TorchModel(plain, classes=CLASSES).follow_cost is None
    plain.follow_cost = 0.1
    with pytest.raises(ModelError, match=r"has follow_cost and no follow\(x, carried, match\); give both or neither"):
        TorchModel(plain, classes=CLASSES)


def test_other_models_do_not_follow():
    model = TorchModel(BL2(3, 0.125), classes=CLASSES)
    assert model.follow_cost is None
    with pytest.raises(ModelError, match="no network made for warping"):
        model.follow(np.zeros((1, 32, 32, 3), np.uint8), torch.ones(1, 3, 8, 8), torch.ones(1, 1, 8, 8))
