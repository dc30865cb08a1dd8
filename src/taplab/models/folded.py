"""A network whose weights no longer change, made ready to run: convolutions do what comes after them, too."""

import copy
from collections import Counter
from functools import cache
from itertools import pairwise
from typing import TypeGuard, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

T = TypeVar("T", bound=nn.Module)


def folded(net: nn.Module, dtype: torch.dtype = torch.float32) -> nn.Module:
    """A copy of ``net`` that computes the same in fewer steps, for inference alone.

    Batch norm after a convolution in an ``nn.Sequential`` is folded into it, and gives what comes to it::

        gamma (w * x - mean) / sqrt(var + eps) + beta  =  (w gamma / sqrt(var + eps)) * x + b

    ReLU after one is computed before its output is written, on a CPU whose torch can do that. What is used in several
    places, or watched by hooks, stays as it is. Weights of convolutions are kept in ``dtype``: under autocast they
    would be converted at every pass.
    """
    net = copy.deepcopy(net).eval()
    places = Counter(id(module) for _, module in net.named_modules(remove_duplicate=False))
    for block in list(net.modules()):
        if type(block) is nn.Sequential:
            _fold_pairs(block, places)
            if _rectifies(dtype):
                _join_pairs(block, places)
    for module in net.modules():
        if type(module) is nn.Conv2d:
            module.to(dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
    for parameter in net.parameters():  # requires_grad_ of a TorchScript module raises
        parameter.requires_grad_(False)
    return net


def _fold_pairs(block: nn.Sequential, places: Counter[int]) -> None:
    for k in range(len(block) - 1):
        conv, norm = block[k], block[k + 1]
        if not _is_plain(conv, nn.Conv2d, places) or not _is_plain(norm, nn.BatchNorm2d, places):
            continue
        if norm.running_mean is not None:
            block[k], block[k + 1] = fuse_conv_bn_eval(conv, norm), nn.Identity()
            places[id(block[k])] = 1


class Rectified(nn.Module):
    """``relu(conv(x))`` in one pass over the memory, by oneDNN."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        """As ``nn.Conv2d``, in the type of the weights."""
        conv = self.conv
        how = conv.padding, conv.stride, conv.dilation, conv.groups
        return _rectified(x.to(conv.weight.dtype), conv.weight, conv.bias, *how)


def _rectified(x: Tensor, weight: Tensor, bias: Tensor | None, *how: object) -> Tensor:
    """An operation that torch has for its own compiler. how: padding, stride, dilation, groups."""
    out: Tensor = torch.ops.mkldnn._convolution_pointwise(x, weight, bias, *how, "relu", [], "")
    return out


@cache
def _rectifies(dtype: torch.dtype) -> bool:
    """Has this torch that operation, here and for this type?"""
    x, weight = torch.linspace(-1, 1, 128).view(1, 8, 4, 4), torch.linspace(1, -2, 64).view(8, 8, 1, 1)
    try:
        found = _rectified(x.to(dtype), weight.to(dtype), None, (0, 0), (1, 1), (1, 1), 1)
    except (AttributeError, RuntimeError):
        return False
    return torch.allclose(found.float(), F.conv2d(x, weight).relu(), atol=0.1)


def _join_pairs(block: nn.Sequential, places: Counter[int]) -> None:
    kept = [k for k in range(len(block)) if type(block[k]) is not nn.Identity]
    for k, following in pairwise(kept):
        conv, relu = block[k], block[following]
        if not _is_plain(conv, nn.Conv2d, places) or not _is_plain(relu, nn.ReLU, places):
            continue
        if conv.weight.device.type == "cpu" and conv.padding_mode == "zeros" and not isinstance(conv.padding, str):
            block[k], block[following] = Rectified(conv), nn.Identity()


def _is_plain(module: nn.Module, kind: type[T], places: Counter[int]) -> TypeGuard[T]:
    """Of this very kind (a subclass may do something else), in one place, without hooks."""
    hooks = len(module._forward_hooks) + len(module._forward_pre_hooks)
    return type(module) is kind and places[id(module)] == 1 and not hooks
