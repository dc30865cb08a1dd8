"""A network that remembers: several ways of working on one clip ask for the same frames."""

import hashlib
from collections import OrderedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from taplab.models.base import Model


class Remembering(Model):
    """Gives the scores that ``model`` gave for the same picture before. For accuracy, not for timing.

    limit: bytes of scores beyond which the oldest are forgotten.
    """

    def __init__(self, model: Model, limit: int = 2**30) -> None:
        self.model, self.limit = model, limit
        self.name, self.classes, self.palette = model.name, model.classes, model.palette
        self.device, self.takes_crops, self.follow_cost = model.device, model.takes_crops, model.follow_cost
        self._known: OrderedDict[bytes, Tensor] = OrderedDict()
        self._bytes = 0

    def __call__(self, images: NDArray[np.uint8]) -> Tensor:
        """See ``Model``; pictures that are new go to the network together."""
        keys = [hashlib.blake2b(image.tobytes() + bytes(str(image.shape), "ascii")).digest() for image in images]
        new = [k for k, key in enumerate(keys) if key not in self._known]
        found = {k: self._known[key] for k, key in enumerate(keys) if key in self._known}
        if new:
            found |= zip(new, self.model(images[new]).clone(), strict=True)  # it may write there again
        for k in new:
            self._keep(keys[k], found[k])
        return torch.stack([found[k] for k in range(len(keys))])

    def follow(self, images: NDArray[np.uint8], carried: Tensor, match: Tensor) -> Tensor:
        """See ``Model``; what was carried is another each time."""
        return self.model.follow(images, carried, match)

    def _keep(self, key: bytes, scores: Tensor) -> None:
        if key not in self._known:
            self._known[key] = scores
            self._bytes += scores.nbytes
        while self._bytes > self.limit and len(self._known) > 1:
            self._bytes -= self._known.popitem(last=False)[1].nbytes
