"""The training loop: one process or ``torchrun``, resumable to the bit, with its log, checkpoints and export."""

import os
import time
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from taplab.data.labelled import Labelled
from taplab.errors import SettingError, SourceError
from taplab.interrupt import PutOff
from taplab.memory import keep_freed_memory
from taplab.models.pretrained import Card, save_pretrained
from taplab.threads import cores
from taplab.training import checkpoint
from taplab.training.batches import Batches
from taplab.training.learner import Learner
from taplab.training.log import Log, Progress, event_writer
from taplab.training.recipes import TrainSettings
from taplab.training.stock import Stock
from taplab.training.validation import validate

_LOG_EVERY = 20  # steps


def train(
    net: nn.Module,
    data: Labelled | Stock,
    out: Path,
    settings: TrainSettings,
    *,
    validation: Labelled | Stock | None = None,
    device: str = "cpu",
    card: Card | None = None,
    init: Path | None = None,
    tensorboard: bool = False,
    loaders: int | None = None,
    progress: Progress | None = None,
    on_interrupt: Callable[[], None] | None = None,
) -> nn.Module:
    """Trains ``net`` on ``data`` and returns it with the averaged (EMA) weights.

    ``out`` holds ``checkpoint.pt`` (resumed from if it is there), ``log.jsonl``, ``log.csv``, ``settings.json`` and,
    with a ``card``, ``model.safetensors``, written anew with every checkpoint. ``init``: the file whose weights ``net``
    has, if it goes on from a trained network. ``loaders`` threads prepare batches
    (default: up to 4); ``progress`` is called with every log entry. At Ctrl-C the step is finished and saved before
    KeyboardInterrupt is raised; ``on_interrupt`` is called at once, and a second Ctrl-C does not wait.
    Raises SourceError if a set is empty or its labels are wrong, SettingError if the processes cannot share the batch,
    OutputError if the checkpoint in ``out`` is damaged or was made with other settings or ``init``, on other data or
    for another network, MissingExtraError if TensorBoard is not installed.
    """
    if tensorboard:
        event_writer()
    keep_freed_memory()
    checkpoint.own_folder(out)
    stock = _stock(data, "training set")
    held_out = _stock(validation, "validation set") if validation is not None else None
    _require_same_classes(stock, held_out)
    rank, world = _join_process_group(device)
    try:
        if settings.batch % world or settings.batch < 2 * world:  # batch norm needs two values of the 1x1 pool
            raise SettingError(f"batch {settings.batch}: give each of the {world} processes the same, two or more")
        torch.manual_seed(settings.seed)
        learner = Learner(net, settings, stock.frequency, torch.device(device), rank, world)
        run = _Run(learner, Batches(stock, settings, rank, world), held_out, out, card, init)
        run.loop(loaders or min(4, cores()), tensorboard, progress, on_interrupt)
    finally:
        if world > 1:
            torch.distributed.destroy_process_group()
    return learner.finish()


def _stock(data: Labelled | Stock, name: str) -> Stock:
    return data if isinstance(data, Stock) else Stock(data, name)


def _require_same_classes(stock: Stock, held_out: Stock | None) -> None:
    if held_out is not None and held_out.classes != stock.classes:
        raise SourceError(f"the {held_out.name} has other classes than the {stock.name}; give sets of the same ones")


def is_main_process() -> bool:
    """False in all but one of the processes that ``torchrun`` started."""
    return os.environ.get("RANK", "0") == "0"


def _join_process_group(device: str) -> tuple[int, int]:
    """Rank and world size under ``torchrun``; (0, 1) without."""
    if "RANK" not in os.environ:
        return 0, 1
    torch.distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    return torch.distributed.get_rank(), torch.distributed.get_world_size()


class _Run:
    """A learner, what it learns from, and the folder it is written down in."""

    def __init__(
        self,
        learner: Learner,
        batches: Batches,
        held_out: Stock | None,
        out: Path,
        card: Card | None,
        init: Path | None,
    ) -> None:
        self.learner, self.batches, self.held_out, self.out, self.card = learner, batches, held_out, out, card
        self.settings, self.main = learner.settings, batches.rank == 0
        weights = sum(p.numel() for p in learner.net.parameters())
        stock, begun = batches.stock, None if init is None else checkpoint.digest_of(init)
        self.about = checkpoint.about(self.settings, stock.digest, stock.classes, weights, begun, batches.world)
        state = checkpoint.load(out, self.about, learner.device)
        if state is not None:
            learner.restore(state)
        elif self.main:
            checkpoint.begin(out, self.about)

    def loop(
        self, loaders: int, tensorboard: bool, progress: Progress | None, on_interrupt: Callable[[], None] | None
    ) -> None:
        """From the learner's step to the last."""
        learner, settings = self.learner, self.settings
        started, first = time.monotonic(), learner.step
        batches = self.batches.between(first, settings.steps, loaders)
        log = Log(self.out, first, tensorboard, progress) if self.main else None
        # An interruption waits until the step is whole and saved, but for no validation: before one all is saved.
        with closing(batches), closing(log) if log else nullcontext(), PutOff(on_interrupt) as interruption:
            if self._validates() and self._in_any_process(log is not None and log.validated < first):
                self._validate(log, interruption)  # it was interrupted
            for x, y in batches:
                loss = learner.learn(x, y)
                if self._is_due(_LOG_EVERY):
                    pace = (time.monotonic() - started) / (learner.step - first)
                    rate = settings.rate_at(learner.step - 1)
                    self._enter(log, loss=round(loss, 4), rate=rate, seconds_per_step=round(pace, 4))
                stop = self._in_any_process(interruption.asked)
                if stop or self._is_due(settings.checkpoint_every) or self._validates():
                    self._save()
                if stop:
                    raise KeyboardInterrupt
                if self._validates():
                    self._validate(log, interruption)
        if first == settings.steps:
            self._export()  # nothing was left to do; the export may be missing

    def _is_due(self, every: int) -> bool:
        """What is done ``every`` so many steps, and after the last."""
        return self.learner.step % every == 0 or self.learner.step == self.settings.steps

    def _validates(self) -> bool:
        return self.held_out is not None and self._is_due(self.settings.validate_every)

    def _in_any_process(self, said: bool) -> bool:
        if self.batches.world == 1:
            return said
        flag = torch.tensor(float(said), device=self.learner.device)
        torch.distributed.all_reduce(flag, torch.distributed.ReduceOp.MAX)
        return bool(flag)

    def _enter(self, log: Log | None, **entry: Any) -> None:
        if log is not None:  # the main process
            log.add({"step": self.learner.step, "steps": self.settings.steps, **entry})

    def _validate(self, log: Log | None, interruption: PutOff) -> None:
        assert self.held_out is not None
        learner, world = self.learner, self.batches.world
        how: dict[str, Any] = {"amp": self.settings.amp, "rank": learner.rank, "world": world}
        with interruption.suspended():
            if world > 1:
                learner.share_average()
            with learner.averaged() as net:
                scores = validate(net, self.held_out, learner.device, **how)
        self._enter(log, **scores)

    def _save(self) -> None:
        if self.main:
            checkpoint.save(self.out, {**self.learner.state(), "about": self.about})
            self._export()

    def _export(self) -> None:
        if self.main and self.card is not None:
            origin = f"{self.card.origin}; step {self.learner.step} of {self.settings.steps}"
            with self.learner.averaged() as net:
                save_pretrained(net.net, replace(self.card, origin=origin), self.out)
