"""The training loop: one process or ``torchrun``, resumable to the bit, averaged weights."""

import hashlib
import json
import math
import os
import pickle
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from taplab.data.labelled import Labelled
from taplab.errors import OutputError, SettingError, SourceError, TaplabError
from taplab.evaluation.metrics import Confusion
from taplab.output.folder import writable_folder
from taplab.training.augment import Augmentation, jitter_colour, paste_rare, sample_crop
from taplab.training.losses import class_weights, segmentation_loss

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


# Crops of the 384x640 synthetic stills, as TrainSettings.crops.
SYNTHETIC_CROPS = ((0.5, (192, 256)), (0.3, (256, 384)), (0.2, (384, 640)))


@dataclass(frozen=True)
class TrainSettings:
    """The recipe. Crops grow during training: each entry is (share of the steps, (rows, columns))."""

    steps: int = 7000
    batch: int = 8
    crops: tuple[tuple[float, tuple[int, int]], ...] = ((0.35, (224, 288)), (0.35, (288, 352)), (0.3, (352, 480)))
    rate: float = 2e-3
    warmup: int = 300
    power: float = 0.9  # of the "poly" schedule
    weight_decay: float = 0.02
    jaccard: float = 0.5
    auxiliary: float = 0.4
    smoothing: float = 0.0
    ema: float = 0.999
    rare_below: float = 0.02  # classes with a smaller share of the pixels are "rare"
    seed: int = 0
    validate_every: int = 460
    checkpoint_every: int = 230
    amp: bool = True
    augmentation: Augmentation = field(default_factory=Augmentation)

    def crop(self, step: int) -> tuple[int, int]:
        """Size of the crops at this step."""
        done = 0.0
        for share, size in self.crops:
            done += share
            if step < done * self.steps:
                return size
        return self.crops[-1][1]

    def rate_at(self, step: int) -> float:
        """Learning rate: linear warm-up, then ``(1 - step / steps) ** power``."""
        left: float = (1 - step / self.steps) ** self.power
        return self.rate * min(1.0, (step + 1) / self.warmup) * left


class Batches:
    """Training batches as a pure function of (seed, rank, step): resuming needs no state."""

    def __init__(self, data: Labelled, settings: TrainSettings, rank: int, world: int) -> None:
        pairs = [data[i] for i in range(len(data))]
        self.images = [torch.from_numpy(rgb).permute(2, 0, 1).contiguous() for rgb, _ in pairs]
        self.labels = [torch.from_numpy(labels) for _, labels in pairs]
        self.settings, self.rank, self.world = settings, rank, world
        counts = sum(np.bincount(labels.ravel(), minlength=256)[: len(data.classes)] for _, labels in pairs)
        self.frequency = torch.from_numpy(counts / np.sum(counts)).float()
        self.rare = [i for i, share in enumerate(self.frequency.tolist()) if 0 < share < settings.rare_below]

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        """Float ``[batch, 3, h, w]`` in 0..255 and long ``[batch, h, w]``."""
        settings = self.settings
        per_rank = settings.batch // self.world
        items = []
        for k in range(per_rank):
            sample = (step * self.world + self.rank) * per_rank + k
            epoch, position = divmod(sample, len(self.images))
            order = np.random.default_rng((settings.seed, epoch)).permutation(len(self.images))
            items.append(self._sample(int(order[position]), np.random.default_rng((settings.seed, 1, sample)), step))
        return torch.stack([x for x, _ in items]), torch.stack([y for _, y in items])

    def _sample(self, index: int, rng: np.random.Generator, step: int) -> tuple[Tensor, Tensor]:
        how = self.settings.augmentation
        pair = self.images[index], self.labels[index]
        if self.rare and rng.random() < how.paste:
            other = int(rng.integers(len(self.images)))
            pair = paste_rare(rng, pair, (self.images[other], self.labels[other]), self.rare)
        image, labels = sample_crop(rng, *pair, self.settings.crop(step), self.rare, how)
        return jitter_colour(rng, image, how), labels


class WithAuxiliary(nn.Module):
    """The network with a second classifier on its 1/8 features, used in training only."""

    def __init__(self, net: nn.Module, channels: int, classes: int) -> None:
        super().__init__()
        self.net = net
        self.auxiliary = nn.Conv2d(channels, classes, 1)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1) * 255)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1) * 255)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Float ``[N, 3, H, W]`` in 0..255 to scores at 1/4 and at 1/8."""
        last, eighth = self.net.features((x - self.mean) / self.std)  # type: ignore[operator]
        return self.net.classifier(last), self.auxiliary(eighth)  # type: ignore[operator]


def train(
    net: nn.Module,
    data: Labelled,
    out: Path,
    settings: TrainSettings,
    *,
    validation: Labelled | None = None,
    device: str = "cpu",
    progress: Callable[[dict[str, Any]], None] | None = None,
) -> nn.Module:
    """Trains ``net`` on ``data`` and returns it with the averaged (EMA) weights.

    ``out`` holds ``checkpoint.pt`` (resumed from if it is there), ``log.jsonl`` and ``settings.json``.
    ``progress`` is called with every log entry. Raises OutputError if the checkpoint in ``out`` was made
    with other settings, on other data or for another network.
    """
    if len(data) == 0:
        raise SourceError("the training set is empty")
    rank, world = _join_process_group(device)
    if settings.batch % world or settings.batch < 2 * world:  # batch norm needs two values of the 1x1 pool
        raise SettingError(f"batch {settings.batch}: give each of the {world} processes the same number, two or more")
    torch.manual_seed(settings.seed)
    run = _Run(net, data, out, settings, validation, torch.device(device), rank, world, progress)
    run.resume()
    run.loop()
    if world > 1:
        torch.distributed.destroy_process_group()
    return run.averaged()


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
    def __init__(
        self,
        net: nn.Module,
        data: Labelled,
        out: Path,
        settings: TrainSettings,
        validation: Labelled | None,
        device: torch.device,
        rank: int,
        world: int,
        progress: Callable[[dict[str, Any]], None] | None,
    ) -> None:
        self.settings, self.out, self.validation, self.device = settings, out, validation, device
        self.rank, self.progress, self.step = rank, progress, 0
        self.batches = Batches(data, settings, rank, world)
        self.weights = class_weights(self.batches.frequency).to(device)
        channels = int(net.auxiliary_channels)  # type: ignore[arg-type]
        self.net = WithAuxiliary(net, channels, len(data.classes)).to(device)
        self.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.ema = {k: v.detach().clone() for k, v in self.net.state_dict().items()}
        decay = [p for p in self.net.parameters() if p.ndim > 1]
        rest = [p for p in self.net.parameters() if p.ndim <= 1]
        self.optimiser = torch.optim.AdamW(
            [{"params": decay, "weight_decay": settings.weight_decay}, {"params": rest, "weight_decay": 0.0}],
            lr=settings.rate,
        )
        self.parallel: nn.Module = nn.parallel.DistributedDataParallel(self.net) if world > 1 else self.net
        writable_folder(out)

    def resume(self) -> None:
        path = self.out / "checkpoint.pt"
        if not path.exists():
            if self.rank == 0:
                (self.out / "settings.json").write_text(json.dumps(json.loads(self._about()), indent=2) + "\n")
            return
        try:
            state = torch.load(path, map_location=self.device, weights_only=True)
        except (RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
            raise OutputError(f"{path}: cannot be read; remove it to begin anew, or give another -o") from error
        if state["about"] != self._about():
            raise OutputError(f"{path}: made with other settings or data; give them again, or another -o")
        self.net.load_state_dict(state["net"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.ema, self.step = state["ema"], state["step"]

    def _about(self) -> str:
        """What must be the same to go on from a checkpoint."""
        images = hashlib.sha256(b"".join(labels.numpy().tobytes() for labels in self.batches.labels)).hexdigest()
        weights = sum(p.numel() for p in self.net.parameters())
        world = self.batches.world
        return json.dumps({"settings": asdict(self.settings), "data": images, "weights": weights, "processes": world})

    def loop(self) -> None:
        started, first = time.monotonic(), self.step
        with ThreadPoolExecutor(1) as loader:
            pending = loader.submit(self.batches.__getitem__, self.step)
            while self.step < self.settings.steps:
                x, y = pending.result()
                pending = loader.submit(self.batches.__getitem__, self.step + 1)
                loss = self._train_step(x.to(self.device, memory_format=torch.channels_last), y.to(self.device))
                self.step += 1
                if self.step % 20 == 0 or self.step == self.settings.steps:
                    pace = (time.monotonic() - started) / (self.step - first)
                    self._log(loss=round(loss, 4), rate=self.settings.rate_at(self.step), seconds_per_step=pace)
                last = self.step == self.settings.steps
                if self.step % self.settings.checkpoint_every == 0 or last:
                    self._save()
                if self.step % self.settings.validate_every == 0 or last:
                    self._validate()

    def _train_step(self, x: Tensor, y: Tensor) -> float:
        settings = self.settings
        for group in self.optimiser.param_groups:
            group["lr"] = settings.rate_at(self.step)
        self.parallel.train()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=settings.amp):
            scores, auxiliary = self.parallel(x)
        half = y[:, ::2, ::2]  # labels at half resolution: twice the scores', a quarter of the work
        loss = segmentation_loss(scores, half, self.weights, settings.jaccard, settings.smoothing)
        loss = loss + settings.auxiliary * segmentation_loss(auxiliary, y[:, ::4, ::4], self.weights, 0.0, 0.0)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise TaplabError(f"step {self.step}: the loss is {value}; lower the learning rate ({settings.rate})")
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        self.optimiser.step()
        self._average()
        return value

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(self.settings.ema, (1 + self.step) / (10 + self.step))
        for name, value in self.net.state_dict().items():
            if value.is_floating_point():
                self.ema[name].lerp_(value, 1 - decay)
            else:
                self.ema[name].copy_(value)

    def averaged(self) -> nn.Module:
        self.net.load_state_dict(self.ema)
        net: nn.Module = self.net.net
        return net.eval()

    @torch.no_grad()
    def _validate(self) -> None:
        if self.validation is None or self.rank != 0:
            return
        now = {k: v.clone() for k, v in self.net.state_dict().items()}
        self.averaged()
        self.net.eval()
        confusion = Confusion(self.validation.classes)
        for i in range(len(self.validation)):
            rgb, truth = self.validation[i]
            x = torch.from_numpy(rgb).permute(2, 0, 1)[None].float().to(self.device)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.amp):
                scores = self.net(x)[0].float()
            scores = nn.functional.interpolate(scores, truth.shape, mode="bilinear", align_corners=False)
            confusion.add(truth, scores.argmax(1)[0].byte().cpu().numpy())
        self.net.load_state_dict(now)
        iou = dict(zip(confusion.classes, confusion.iou.round(4).tolist(), strict=True))
        self._log(miou=round(confusion.miou, 4), iou=iou, pixel_accuracy=round(confusion.pixel_accuracy, 4))

    def _save(self) -> None:
        if self.rank != 0:
            return
        part = self.out / "checkpoint.pt.part"
        torch.save(
            {
                "step": self.step,
                "net": self.net.state_dict(),
                "ema": self.ema,
                "optimiser": self.optimiser.state_dict(),
                "about": self._about(),
            },
            part,
        )
        part.replace(self.out / "checkpoint.pt")

    def _log(self, **entry: Any) -> None:
        if self.rank != 0:
            return
        entry = {"step": self.step, "steps": self.settings.steps, **entry}
        with (self.out / "log.jsonl").open("a") as log:
            log.write(json.dumps(entry) + "\n")
        if self.progress is not None:
            self.progress(entry)
