"""From the decoder's memory to the network's device."""

from collections.abc import Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor


def uploaded(arrays: Sequence[NDArray[Any]], device: torch.device) -> Tensor:
    """Arrays of one type, one behind the other, copied while the device works."""
    kind = getattr(torch, arrays[0].dtype.name)
    # Not Tensor.pin_memory: that copies on all cores, which others need.
    pinned = torch.empty(sum(array.size for array in arrays), dtype=kind, pin_memory=device.type == "cuda")
    begin = 0
    for array in arrays:
        pinned[begin : begin + array.size].numpy().reshape(array.shape)[...] = array
        begin += array.size
    return pinned.to(device, non_blocking=True)
