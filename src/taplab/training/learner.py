"""What changes from step to step: weights, their average, the optimiser."""

from collections.abc import Generator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from taplab.training.descent import Descent
from taplab.training.losses import class_weights, segmentation_loss
from taplab.training.recipes import TrainSettings, poly
from taplab.training.trainee import Trainee


class Learner(Descent[Trainee]):
    """``net`` under training. frequency: float ``[classes]``, each class's share of the pixels."""

    def __init__(
        self, net: nn.Module, settings: TrainSettings, frequency: Tensor, device: torch.device, rank: int, world: int
    ) -> None:
        trainee = Trainee(net, len(frequency), settings.auxiliary > 0).to(device)
        trainee.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        super().__init__(
            trainee, _optimiser(trainee, settings), decay=settings.ema, clip=settings.clip, amp=settings.amp
        )
        self.settings, self.device, self.rank = settings, device, rank
        self.weights = class_weights(frequency).to(device) if settings.balanced else None
        self._parallel: nn.Module = nn.parallel.DistributedDataParallel(trainee) if world > 1 else trainee

    def learn(self, x: Tensor, y: Tensor) -> float:
        """One step on images ``[N, 3, h, w]`` in 0..255 and labels ``[N, h, w]``: the loss before it."""
        settings = self.settings
        # Dropout, too, is a function of the step: what is resumed draws the same.
        key = np.random.SeedSequence((settings.seed, 2, self.rank, self.step))
        torch.manual_seed(int(key.generate_state(1)[0]))
        loss = self._loss(x.to(self.device, memory_format=torch.channels_last), y.to(self.device))
        return self.descend(loss, poly(self.step, settings.steps, settings.warmup, settings.power))

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


def _optimiser(net: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    if settings.optimiser == "adam":
        return torch.optim.Adam(net.parameters(), lr=settings.rate, weight_decay=settings.weight_decay)
    decay = [p for p in net.parameters() if p.ndim > 1]
    rest = [p for p in net.parameters() if p.ndim <= 1]
    groups = [{"params": decay, "weight_decay": settings.weight_decay}, {"params": rest, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=settings.rate)
