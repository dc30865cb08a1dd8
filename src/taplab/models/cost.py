"""What one pass of a network costs, counted without computing it."""

import copy

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def multiply_adds(net: nn.Module, size: tuple[int, int]) -> int:
    """Multiply-adds (MACs) of ``net`` on one RGB image of ``size`` (rows, columns), batch norm and resizing left out.

    ``net`` takes float ``[1, 3, rows, columns]``. It is copied to the meta device, where shapes are worked out and
    nothing else, so the count takes a second at any size.
    """
    shapes = copy.deepcopy(net).to("meta").eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        shapes(torch.empty(1, 3, *size, device="meta"))
    return int(counter.get_total_flops()) // 2
