"""What changes from step to step: weights, their average, the optimiser."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from taplab.training.average import Average
from taplab.training.losses import class_weights, require_finite, segmentation_loss
from taplab.training.recipes import TrainSettings
from taplab.training.trainee import Trainee


class Learner:
    """``net`` under training. frequency: float ``[classes]``, each class's share of the pixels."""

    def __init__(
        self, net: nn.Module, settings: TrainSettings, frequency: Tensor, device: torch.device, rank: int, world: int
    ) -> None:
        self.settings, self.device, self.rank, self.step = settings, device, rank, 0
        self.net = Trainee(net, len(frequency), settings.auxiliary > 0).to(device)
        self.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.weights = class_weights(frequency).to(device) if settings.balanced else None
        self.average = Average(self.net, settings.ema)
        self.optimiser = _optimiser(self.net, settings)
        self._parallel: nn.Module = nn.parallel.DistributedDataParallel(self.net) if world > 1 else self.net

    def learn(self, x: Tensor, y: Tensor) -> float:
        """One step on images ``[N, 3, h, w]`` in 0..255 and labels ``[N, h, w]``: the loss before it."""
        settings = self.settings
        for group in self.optimiser.param_groups:
            group["lr"] = settings.rate_at(self.step)
        # Dropout, too, is a function of the step: what is resumed draws the same.
        key = np.random.SeedSequence((settings.seed, 2, self.rank, self.step))
        torch.manual_seed(int(key.generate_state(1)[0]))
        loss = self._loss(x.to(self.device, memory_format=torch.channels_last), y.to(self.device))
        value = require_finite(loss, self.step, settings.rate, amp=settings.amp)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if settings.clip:
            nn.utils.clip_grad_norm_(self.net.parameters(), settings.clip)
        self.optimiser.step()
        self.average.update(self.step)
        self.step += 1
        return value

    def _loss(self, x: Tensor, y: Tensor) -> Tensor:
        settings, every = self.settings, self.settings.label_step
        self._parallel.train()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=settings.amp):
            scores, *auxiliary = self._parallel(x)
        labels = y[:, ::every, ::every]
        loss = segmentation_loss(scores, labels, self.weights, settings.jaccard, settings.smoothing)
        for more in auxiliary:  # coarse scores, judged at half the resolution
            coarse = y[:, :: 2 * every, :: 2 * every]
            loss = loss + settings.auxiliary * segmentation_loss(more, coarse, self.weights)
        return loss

    @contextmanager
    def averaged(self) -> Generator[Trainee]:
        """The network with the averaged weights, in evaluation mode; those under training come back after it."""
        with self.average.in_use():
            yield self.net

    def finish(self) -> nn.Module:
        """The network alone, with the averaged weights."""
        self.net.load_state_dict(self.average.weights)
        return self.net.net.eval()

    def share_average(self) -> None:
        """Gives every process the average of the first: batch norm's statistics differ between them."""
        for value in self.average.weights.values():
            torch.distributed.broadcast(value, 0)

    def state(self) -> dict[str, Any]:
        """All that is needed to go on."""
        state = {"net": self.net.state_dict(), "ema": self.average.weights, "optimiser": self.optimiser.state_dict()}
        return {"step": self.step, **state}

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from what ``state`` gave."""
        self.net.load_state_dict(state["net"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.average.weights, self.step = state["ema"], state["step"]


def _optimiser(net: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    if settings.optimiser == "adam":
        return torch.optim.Adam(net.parameters(), lr=settings.rate, weight_decay=settings.weight_decay)
    decay = [p for p in net.parameters() if p.ndim > 1]
    rest = [p for p in net.parameters() if p.ndim <= 1]
    groups = [{"params": decay, "weight_decay": settings.weight_decay}, {"params": rest, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=settings.rate)
