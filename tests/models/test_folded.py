import numpy as np
import pytest
import torch
from torch import nn

from taplab import TorchModel
from taplab.models.folded import Rectified, _rectifies, folded
from taplab.models.zoo import ARCHITECTURES, FOLLOWING, build

SIZES = [(64, 96), (45, 83), (181, 321)]


def trained(architecture):
    """Statistics and scales as after a training: a fold that forgot one of them would show."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        net = build(architecture, 5, 0.125).eval()
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.running_mean, -0.3, 0.3)
                nn.init.uniform_(module.running_var, 0.5, 1.5)
                nn.init.uniform_(module.weight, 0.7, 1.3)
                nn.init.uniform_(module.bias, -0.3, 0.3)
        if architecture in FOLLOWING:
            nn.init.normal_(net.follower.correction.weight)
    return net


def norms(net):
    return [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]


def pictures(rows, columns):
    return np.random.default_rng(rows).integers(0, 256, (2, rows, columns, 3), np.uint8)


def models(net, **how):
    """As it is, and folded."""
    return [TorchModel(net, classes="abcde", fixed=fixed, **how) for fixed in (False, True)]


@pytest.mark.parametrize("architecture", ARCHITECTURES | FOLLOWING)
def test_scores_stay_what_they_were(architecture):
    net = trained(architecture)
    assert norms(net)
    assert not norms(folded(net))
    plain, quick = models(net)
    for size in SIZES:
        expected = plain(pictures(*size))
        assert torch.allclose(quick(pictures(*size)), expected, atol=1e-5 * float(expected.abs().max()))
    assert len(norms(net)) == len(norms(plain.net))  # the network itself is left alone


def test_a_follower_s_scores_stay_what_they_were():
    plain, quick = models(trained("bl2-warp"))
    for rows, columns in SIZES:
        cells = -(-rows // 4), -(-columns // 4)
        told = torch.rand(2, 5, *cells).softmax(1), torch.rand(2, 1, *cells)
        expected = plain.follow(pictures(rows, columns), *told)
        found = quick.follow(pictures(rows, columns), *told)
        assert torch.allclose(found, expected, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize("architecture", ["bl1", "bl2", "bl2-warp"])
def test_in_bfloat16_it_is_as_good_as_autocast(architecture):
    net, image = trained(architecture), pictures(96, 128)
    exact = TorchModel(net, classes="abcde")(image)
    plain, quick = (model(image) for model in models(net, precision="bfloat16"))
    assert not torch.equal(quick, exact)
    assert (quick - exact).square().mean() < 1.5 * (plain - exact).square().mean()


def test_weights_are_kept_in_what_is_computed_with():
    _, model = models(trained("bl2"), precision="bfloat16")
    model(pictures(64, 96))
    assert {module.weight.dtype for module in model._running().modules() if isinstance(module, nn.Conv2d)} == {
        torch.bfloat16
    }
    first = model._running()
    assert model._running() is first
    model.dtype = torch.float32
    assert {parameter.dtype for parameter in model._running().parameters()} == {torch.float32}


def rectified(net):
    return [module for module in net.modules() if isinstance(module, Rectified)]


@pytest.mark.skipif(not _rectifies(torch.float32), reason="this torch has no convolution with ReLU")
@pytest.mark.parametrize("architecture", ["bl1", "bl2"])
def test_relu_is_computed_with_the_convolution(architecture):
    """But for a residual's, which is computed of a sum."""
    net = folded(trained(architecture))
    blocks = [block for block in trained(architecture).modules() if type(block) is nn.Sequential]
    expected = [block for block in blocks if {nn.Conv2d, nn.ReLU} <= {type(module) for module in block}]
    assert len(rectified(net)) == len(expected) > 8
    assert not any(isinstance(module, nn.ReLU) for module in net.modules())


def test_without_that_operation_it_is_left_to_relu(monkeypatch):
    monkeypatch.setattr("taplab.models.folded._rectifies", lambda dtype: False)
    plain, quick = models(trained("bl2"))
    expected = plain(pictures(64, 96))
    assert torch.allclose(quick(pictures(64, 96)), expected, atol=1e-5 * float(expected.abs().max()))
    assert not rectified(quick._running())


class Pads(nn.Module):
    """Convolutions with ReLU of every kind of padding, stride and dilation."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        reflected = nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect")
        self.parts = nn.Sequential(
            nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU()),
            nn.Sequential(
                nn.Conv2d(8, 8, (3, 1), padding=(2, 0), dilation=2, groups=4, bias=False), nn.Identity(), nn.ReLU()
            ),
            nn.Sequential(nn.Conv2d(8, 8, 3, padding="same"), nn.ReLU()),
            nn.Sequential(reflected, nn.ReLU(inplace=True)),
            nn.Sequential(nn.Conv2d(8, 8, 1), nn.ReLU6()),
            nn.Sequential(nn.Conv2d(8, 5, 1), nn.Identity(), nn.BatchNorm2d(5)),
        )

    def forward(self, x):
        return self.parts(x)


def test_relu_after_convolutions_of_every_kind():
    plain, quick = models(Pads())
    assert torch.allclose(plain(pictures(33, 47)), quick(pictures(33, 47)), atol=1e-5)
    assert len(rectified(quick._running())) == 2 * _rectifies(torch.float32)


class Strange(nn.Module):
    """Pairs that must not be folded: what is between, shared, watched, or a kind of its own."""

    def __init__(self):
        super().__init__()

        class Doubled(nn.Conv2d):
            def forward(self, x):
                return 2 * super().forward(x)

        torch.manual_seed(0)
        shared = nn.Conv2d(4, 4, 1)
        self.apart = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(4))
        self.twice = nn.Sequential(shared, nn.BatchNorm2d(4))
        self.again = nn.Sequential(shared, nn.ReLU())
        self.doubled = nn.Sequential(Doubled(4, 4, 1), nn.BatchNorm2d(4))
        self.watched = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4))
        self.watched[0].register_forward_hook(lambda module, inputs, output: output.abs())
        self.unknown = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4, track_running_stats=False))
        self.last = nn.Sequential(nn.Conv2d(4, 5, 1, bias=True), nn.BatchNorm2d(5))
        for norm in norms(self):
            nn.init.normal_(norm.weight)
            nn.init.normal_(norm.bias)

    def forward(self, x):
        x = self.again(self.twice(self.apart(x)))
        return self.last(self.unknown(self.watched(self.doubled(x))))


def test_only_plain_pairs_are_folded():
    net = Strange().eval()
    assert len(norms(folded(net))) == len(norms(net)) - 1
    assert len(rectified(folded(net))) == _rectifies(torch.float32)  # of ``apart``; the other convolution is shared
    plain, quick = models(net)
    one = pictures(16, 24)[:1]  # batch norm without statistics takes those of a batch, however large
    assert torch.allclose(plain(one), quick(one), atol=1e-5)


class Taps(nn.Module):
    """Takes its ``nn.Sequential`` apart: skips begin at convolutions, before what comes after them."""

    def __init__(self, sliced):
        super().__init__()
        torch.manual_seed(0)
        self.sliced = sliced
        self.body = nn.Sequential(
            *(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU()),
            *(nn.Conv2d(8, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU()),
        )
        self.head = nn.Conv2d(16, 5, 1)
        for norm in norms(self):
            nn.init.normal_(norm.running_mean)
            nn.init.normal_(norm.bias)

    def forward(self, x):
        if self.sliced:
            fine = self.body[:1](x)
            coarse = self.body[1:](fine)
        else:
            fine, coarse = (x := layer(x) for layer in self.body if isinstance(layer, nn.Conv2d))
        return self.head(torch.cat([nn.functional.max_pool2d(fine, 2), coarse], 1))


@pytest.mark.parametrize("sliced", [False, True])
def test_a_network_that_looks_into_what_is_folded_runs_as_it_is(sliced):
    plain, quick = models(Taps(sliced))
    assert torch.equal(plain(pictures(32, 64)), quick(pictures(32, 64)))
    assert quick._running() is quick.net


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_torchscript_may_be_fixed():
    plain, quick = models(torch.jit.trace(Pads().eval(), torch.rand(1, 3, 32, 64), check_trace=False))
    assert torch.allclose(plain(pictures(32, 64)), quick(pictures(32, 64)), atol=1e-5)


def test_weights_that_may_change_are_looked_at_each_time():
    net = trained("bl2")
    model, image = TorchModel(net, classes="abcde"), pictures(32, 32)
    before = model(image)
    nn.init.zeros_(net.classifier.weight)
    assert not torch.equal(model(image), before)
