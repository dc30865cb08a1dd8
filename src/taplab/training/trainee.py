"""The network as it is trained: with its normalisation and, in training only, a second classifier."""

import torch
from torch import Tensor, nn

from taplab.models.torch import IMAGENET_MEAN, IMAGENET_STD


class Trainee(nn.Module):
    """``net`` on RGB in 0..255: ImageNet's mean subtracted, divided by its standard deviation.

    auxiliary: a 1x1 classifier on the network's middle features (1/8, 1/16 in BL1 and BL3).
    """

    def __init__(self, net: nn.Module, classes: int, auxiliary: bool) -> None:
        super().__init__()
        self.net = net
        self.auxiliary = nn.Conv2d(int(net.auxiliary_channels), classes, 1) if auxiliary else None  # type: ignore[arg-type]
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1) * 255)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1) * 255)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Float ``[N, 3, H, W]`` in 0..255 to the scores of each classifier, the network's own first."""
        if self.auxiliary is None:
            return [self.scores(x)]
        last, middle = self.net.features(self._normalised(x))  # type: ignore[operator]
        return [self.net.classifier(last), self.auxiliary(middle)]  # type: ignore[operator]

    def scores(self, x: Tensor) -> Tensor:
        """Float ``[N, 3, H, W]`` in 0..255 to what the network will give when it is used."""
        scores: Tensor = self.net(self._normalised(x))
        return scores

    def _normalised(self, x: Tensor) -> Tensor:
        normalised: Tensor = (x - self.mean) / self.std  # type: ignore[operator]
        return normalised
