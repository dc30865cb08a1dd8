"""A step of a training, whatever its loss: gradient, learning rate, average; and the state to go on from."""

import math
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from taplab.errors import TaplabError
from taplab.training.average import Average

N = TypeVar("N", bound=nn.Module)


class Descent(Generic[N]):
    """``net`` under training, with the average of its weights and its optimiser; ``step`` steps are done.

    optimiser: with the learning rates of its groups as they are at their highest. decay: of the average, see
    ``Average``. clip: the longest gradient, 0 for any. amp: the loss is worked out in bfloat16.
    """

    def __init__(
        self, net: N, optimiser: torch.optim.Optimizer, *, decay: float = 0.0, clip: float = 5.0, amp: bool
    ) -> None:
        self.net, self.optimiser, self.average, self.step = net, optimiser, Average(net, decay), 0
        self.clip, self.amp = clip, amp
        self._rates: list[float] = [group["lr"] for group in optimiser.param_groups]

    def descend(self, loss: Tensor, share: float) -> float:
        """One step down from ``loss``, at a share of the learning rates (``poly``); returns the loss.

        Raises TaplabError, with what to change, if that is no number.
        """
        value = self._finite(loss)
        for group, rate in zip(self.optimiser.param_groups, self._rates, strict=True):
            group["lr"] = rate * share
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.clip:
            nn.utils.clip_grad_norm_(self.net.parameters(), self.clip)
        self.optimiser.step()
        self.average.update(self.step)
        self.step += 1
        return value

    def _finite(self, loss: Tensor) -> float:
        value = float(loss.detach())
        if not math.isfinite(value):
            remedy, rate = "train with --no-amp, or lower" if self.amp else "lower", max(self._rates)
            raise TaplabError(f"step {self.step}: the loss is {value}; {remedy} the learning rate ({rate:g})")
        return value

    def state(self) -> dict[str, Any]:
        """All that is needed to go on."""
        state = {"net": self.net.state_dict(), "ema": self.average.weights, "optimiser": self.optimiser.state_dict()}
        return {"step": self.step, **state}

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from what ``state`` gave."""
        self.net.load_state_dict(state["net"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.average.weights, self.step = state["ema"], state["step"]
