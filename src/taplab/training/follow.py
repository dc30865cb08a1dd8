"""Trains the follower of ``bl2-warp`` on clips made from stills: ``taplab train --architecture bl2-warp``.

The network for key frames is a trained BL2 and stays as it is.
"""

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from taplab.errors import ModelError, OutputError, SettingError
from taplab.interrupt import PutOff
from taplab.models.bundled import weights_of
from taplab.models.pretrained import load_pretrained, read_card, save_pretrained
from taplab.models.torch import TorchModel
from taplab.models.zoo.bl2_warp import BL2Warp
from taplab.output.folder import writable_folder
from taplab.training import checkpoint
from taplab.training.carried import Samples, carried_samples, require_one_even_size
from taplab.training.descent import Descent
from taplab.training.log import Progress, log_step
from taplab.training.losses import class_weights, segmentation_loss
from taplab.training.recipes import poly
from taplab.training.stock import Stock

Batch = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]  # frames, labels, carried, match, network: see Samples
_CHUNK = 50  # clips in a file of samples


@dataclass(frozen=True)
class FollowSettings:
    """The recipe. clips: made from the stills; ``each`` frames of every one are learnt from. rate: of the layers that
    begin anew; the glance begins as the network itself and goes on at ``glance_rate``. agreement: weight of the
    divergence from what the network says of the whole frame, beside the loss against the labels. glance: of the loss of
    the glance alone. ema: decay of the averaged weights."""

    steps: int = 3000
    batch: int = 8
    clips: int = 1000
    each: int = 5
    rate: float = 2e-3
    glance_rate: float = 4e-4
    warmup: int = 200
    weight_decay: float = 0.02
    jaccard: float = 0.5
    agreement: float = 2.0
    glance: float = 0.3
    ema: float = 0.998
    seed: int = 0
    checkpoint_every: int = 100
    amp: bool = True

    def __post_init__(self) -> None:
        if min(self.steps, self.batch, self.clips, self.each) < 1:
            raise SettingError(f"steps {self.steps}, clips {self.clips}: each must be at least 1")
        if not 0 < self.rate < math.inf:
            raise SettingError(f"rate {self.rate:g}: must be a number above 0")


def base_for(name: str, classes: Sequence[str]) -> Path:
    """The weights of a bundled or trained BL2 that knows these classes. Raises ModelError if it is none."""
    file = weights_of(name)
    if file is None:
        raise ModelError(
            f"{name}: no such model; give a BL2, bundled or a .safetensors file or folder of `taplab train`"
        )
    card = read_card(file)
    if card.architecture != "bl2" or card.classes != tuple(classes):
        raise ModelError(f"{name}: give a BL2 with the classes of the data, such as `taplab train` makes")
    return file


def make_samples(
    folder: Path, stock: Stock, model: TorchModel, settings: FollowSettings, progress: Progress | None = None
) -> list[Samples]:
    """What is learnt from, about a megabyte a frame of 360x480; files that are in ``folder`` already are kept.

    progress: called with {"clips": number of those that are made}.
    """
    writable_folder(folder)
    found = []
    for first in range(0, settings.clips, _CHUNK):
        path, clips = folder / f"{first:05d}.npz", range(first, min(first + _CHUNK, settings.clips))
        if not path.exists():
            carried_samples(stock, model, clips, settings.each, settings.seed).save(path)
        found.append(Samples.load(path))
        if progress is not None:
            progress({"clips": clips.stop})
    return found


def batch_at(step: int, samples: Sequence[Samples], settings: FollowSettings) -> Batch:
    """The frames of a step, half of the batches mirrored: a function of seed and step."""
    rng = np.random.default_rng((settings.seed, 3, step))
    some = [samples[int(k)] for k in rng.integers(len(samples), size=settings.batch)]
    rows = [(chunk, int(rng.integers(len(chunk.frames)))) for chunk in some]

    def stacked(name: str) -> Tensor:
        return torch.from_numpy(np.stack([getattr(chunk, name)[k] for chunk, k in rows]))

    frames, labels = stacked("frames").permute(0, 3, 1, 2).float(), stacked("labels").long()
    carried, match, network = (stacked(name).float() / 255 for name in ("carried", "match", "network"))
    batch = frames, labels, carried, match[:, None], network
    return tuple(x.flip(-1) for x in batch) if rng.random() < 0.5 else batch  # type: ignore[return-value]


class _Learner(Descent[nn.Module]):
    """The follower under training, its average and its optimiser. frequency: each class's share of the pixels."""

    def __init__(self, net: BL2Warp, model: TorchModel, frequency: Tensor, settings: FollowSettings) -> None:
        follower = net.follower
        follower.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        anew = [p for name, p in follower.named_parameters() if not name.startswith("glance.")]
        groups = [
            {"params": list(follower.glance.parameters()), "lr": settings.glance_rate},
            {"params": anew, "lr": settings.rate},
        ]
        optimiser = torch.optim.AdamW(groups, weight_decay=settings.weight_decay)
        super().__init__(follower, optimiser, decay=settings.ema, amp=settings.amp)
        self.settings, self.weights = settings, class_weights(frequency)
        self.mean, self.std = (torch.tensor(v).view(1, 3, 1, 1) * 255 for v in (model.mean, model.std))

    def learn(self, batch: Batch) -> float:
        """One step: the loss before it."""
        self.net.train()
        return self.descend(self._loss(*batch), poly(self.step, self.settings.steps, self.settings.warmup))

    def _loss(self, frames: Tensor, labels: Tensor, carried: Tensor, match: Tensor, network: Tensor) -> Tensor:
        settings = self.settings
        with torch.autocast("cpu", torch.bfloat16, enabled=settings.amp):
            scores, glance = self.net((frames - self.mean) / self.std, carried, match)
        loss = segmentation_loss(scores, labels[:, ::2, ::2], self.weights, settings.jaccard)
        loss = loss + settings.glance * segmentation_loss(glance, labels[:, ::4, ::4], self.weights)
        apart = F.kl_div(scores.float().log_softmax(1), network.clamp(min=1e-4), reduction="none").sum(1).mean()
        return loss + settings.agreement * apart


def train_follower(
    out: Path,
    base: Path,
    stock: Stock,
    origin: str,
    settings: FollowSettings,
    progress: Progress | None = None,
    on_interrupt: Callable[[], None] | None = None,
) -> BL2Warp:
    """Trains a follower for the BL2 in the file ``base``; writes ``out/model.safetensors`` with every checkpoint.

    Goes on from ``out/checkpoint.pt``. progress: called with every entry of ``out/log.jsonl``, and as ``make_samples``
    does. At Ctrl-C the step is finished and saved before KeyboardInterrupt is raised; ``on_interrupt`` is called at
    once. Raises ModelError if ``base`` is no BL2, SourceError for images of unequal or odd sizes, OutputError if
    the checkpoint was made with other settings or data, or cannot be read.
    """
    card = read_card(base_for(str(base), stock.classes))
    require_one_even_size(stock)
    model = load_pretrained(base)
    net = _follower_of(model, card.width, settings.seed)
    learner = _Learner(net, model, stock.frequency, settings)
    about = json.dumps({"settings": asdict(settings), "data": stock.digest, "base": checkpoint.digest_of(base)})
    _resume(checkpoint.own_folder(out), about, learner)
    samples = make_samples(out / "samples", stock, model, settings, progress)
    origin = f"key frames: {card.origin or base.stem}; follower: {origin}, seed {settings.seed}"
    card = replace(card, architecture="bl2-warp", origin=origin)
    started = time.perf_counter()
    with PutOff(on_interrupt) as interruption:
        while learner.step < settings.steps:
            loss = learner.learn(batch_at(learner.step, samples, settings))
            last = learner.step == settings.steps or interruption.asked
            if not last and learner.step % settings.checkpoint_every:
                continue
            checkpoint.save(out, {**learner.state(), "about": about})
            with learner.average.in_use():
                save_pretrained(net, card, out)
            log_step(out, progress, learner.step, loss, time.perf_counter() - started)
            if interruption.asked:
                raise KeyboardInterrupt
    return net


def _follower_of(model: TorchModel, width: float, seed: int) -> BL2Warp:
    """The network, and a follower whose glance begins as the network and which trusts what was carried."""
    torch.manual_seed(seed)
    net, weights = BL2Warp(len(model.classes), width), model.net.state_dict()
    net.load_state_dict({**net.state_dict(), **weights})
    net.follower.glance.load_state_dict(weights)
    return net


def _drop_samples_of_another(out: Path, about: str) -> None:
    """Removes samples left by a training that was given up before its first checkpoint, unless ours are the same.

    Raises OutputError for files of such names in a folder that no training has begun in: they are somebody else's.
    """
    left, made = sorted((out / "samples").glob("[0-9]" * 5 + ".npz")), checkpoint.begun(out)
    if left and not made:
        raise OutputError(f"{left[0]}: is there already, and not from a training; give another folder with -o")
    if _makes_samples(made) != _makes_samples(json.loads(about)):
        for path in left:
            path.unlink()


def _makes_samples(about: dict[str, Any]) -> list[Any]:
    """What they are a function of."""
    settings = about.get("settings", {})
    return [about.get("data"), about.get("base"), *(settings.get(name) for name in ("clips", "each", "seed"))]


def _resume(out: Path, about: str, learner: _Learner) -> None:
    state = checkpoint.load(out, about, torch.device("cpu"))
    if state is None:
        _drop_samples_of_another(out, about)
        checkpoint.begin(out, about)
    else:
        learner.restore(state)
