"""Training batches as a pure function of (seed, rank, step): resuming needs no state."""

from collections import deque
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from taplab.training.augment import jitter_colour, paste_rare, sample_crop
from taplab.training.recipes import TrainSettings
from taplab.training.stock import Stock


class Batches:
    """What process ``rank`` of ``world`` sees at each step. Every image comes once in an epoch, in a new order."""

    def __init__(self, stock: Stock, settings: TrainSettings, rank: int = 0, world: int = 1) -> None:
        self.stock, self.settings, self.rank, self.world = stock, settings, rank, world
        self.rare = [i for i, share in enumerate(stock.frequency.tolist()) if 0 < share < settings.rare_below]

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        """Float ``[batch, 3, h, w]`` in 0..255 and long ``[batch, h, w]``."""
        settings = self.settings
        per_rank = settings.batch // self.world
        items = []
        for k in range(per_rank):
            sample = (step * self.world + self.rank) * per_rank + k
            epoch, position = divmod(sample, len(self.stock))
            order = np.random.default_rng((settings.seed, epoch)).permutation(len(self.stock))
            items.append(self._sample(int(order[position]), np.random.default_rng((settings.seed, 1, sample)), step))
        return torch.stack([x for x, _ in items]), torch.stack([y for _, y in items])

    def _sample(self, index: int, rng: np.random.Generator, step: int) -> tuple[Tensor, Tensor]:
        how = self.settings.augmentation
        pair = self.stock[index]
        if self.rare and rng.random() < how.paste:
            pair = paste_rare(rng, pair, self.stock[int(rng.integers(len(self.stock)))], self.rare)
        image, labels = sample_crop(rng, *pair, self.settings.crop(step), self.rare, how)
        return (jitter_colour(rng, image, how) if how.changes_colours else image), labels

    def between(self, first: int, last: int, threads: int) -> Generator[tuple[Tensor, Tensor]]:
        """The batches of the steps ``first`` .. ``last`` - 1; as many threads prepare the next ones meanwhile."""
        pool = ThreadPoolExecutor(threads)
        try:
            ahead = min(first + threads, last)
            pending = deque(pool.submit(self.__getitem__, step) for step in range(first, ahead))
            while pending:
                batch = pending.popleft().result()
                if ahead < last:
                    pending.append(pool.submit(self.__getitem__, ahead))
                    ahead += 1
                yield batch
        finally:
            pool.shutdown(cancel_futures=True)
