import torch
from torch import nn

from taplab.models.cost import multiply_adds


def test_multiply_adds_of_known_layers():
    net = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(8), nn.Conv2d(8, 5, 1))
    assert multiply_adds(net, (20, 30)) == 10 * 15 * (8 * 3 * 9 + 5 * 8)


def test_the_network_is_left_as_it_was():
    net = nn.Conv2d(3, 8, 3).train()
    weight = net.weight
    multiply_adds(net, (32, 32))
    assert net.training
    assert net.weight is weight
    assert weight.device == torch.device("cpu")
