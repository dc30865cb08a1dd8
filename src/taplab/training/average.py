"""The average of a network's weights over the steps of a training (EMA): better than the last ones."""

from collections.abc import Generator
from contextlib import contextmanager

import torch
from torch import nn


class Average:
    """``weights``: the averaged state of ``net``. decay: 0 keeps the last weights; it is lower in the first steps."""

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.net, self.decay = net, decay
        self.weights = {k: v.detach().clone() for k, v in net.state_dict().items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Takes in the weights after ``step``, counted from 0."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, value in self.net.state_dict().items():
            if value.is_floating_point():
                self.weights[name].lerp_(value, 1 - decay)
            else:
                self.weights[name].copy_(value)

    @contextmanager
    def in_use(self) -> Generator[None]:
        """``net`` with the averaged weights, in evaluation mode; those under training come back after it."""
        now = {k: v.clone() for k, v in self.net.state_dict().items()}
        self.net.load_state_dict(self.weights)
        self.net.eval()
        try:
            yield
        finally:
            self.net.load_state_dict(now)
