"""A network whose weights no longer change, made ready to run: batch norm within the convolutions before it."""

import copy
from collections import Counter
from typing import TypeGuard, TypeVar

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

T = TypeVar("T", bound=nn.Module)


def folded(net: nn.Module, dtype: torch.dtype = torch.float32) -> nn.Module:
    """A copy of ``net`` that computes the same in fewer steps, for inference alone.

    Batch norm after a convolution in an ``nn.Sequential`` is folded into it, and gives what comes to it::

        gamma (w * x - mean) / sqrt(var + eps) + beta  =  (w gamma / sqrt(var + eps)) * x + b

    What is used in several places, or watched by hooks, stays as it is. Weights of convolutions are kept in ``dtype``:
    under autocast they would be converted at every pass.
    """
    net = copy.deepcopy(net).eval()
    places = Counter(id(module) for _, module in net.named_modules(remove_duplicate=False))
    for block in list(net.modules()):
        if type(block) is nn.Sequential:
            _fold_pairs(block, places)
    for module in net.modules():
        if type(module) is nn.Conv2d:
            module.to(dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return net.requires_grad_(False)


def _fold_pairs(block: nn.Sequential, places: Counter[int]) -> None:
    for k in range(len(block) - 1):
        conv, norm = block[k], block[k + 1]
        if not _is_plain(conv, nn.Conv2d, places) or not _is_plain(norm, nn.BatchNorm2d, places):
            continue
        if norm.running_mean is not None:
            block[k], block[k + 1] = fuse_conv_bn_eval(conv, norm), nn.Identity()


def _is_plain(module: nn.Module, kind: type[T], places: Counter[int]) -> TypeGuard[T]:
    """Of this very kind (a subclass may do something else), in one place, without hooks."""
    hooks = len(module._forward_hooks) + len(module._forward_pre_hooks)
    return type(module) is kind and places[id(module)] == 1 and not hooks
