"""Trains the small flow network on the synthetic drive, whose true flow is known.

``python -m taplab.training.flow -o DIR`` trains it as the bundled weights were; the same command goes on after a stop.
"""

import argparse
import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from taplab.data.synthetic import SyntheticDrive
from taplab.data.synthetic.view import SPEEDS
from taplab.errors import SettingError, TaplabError
from taplab.models.flow import save_flow_net
from taplab.models.zoo.flownet import FlowNet
from taplab.modules.flow import Flow
from taplab.output.folder import writable_folder
from taplab.training import checkpoint
from taplab.training.descent import Descent
from taplab.training.log import Progress, log_step
from taplab.training.recipes import poly

_LEVELS = (0.3, 0.4, 0.6, 1.0)  # weights of the loss at 1/32, 1/16, 1/8, 1/4


@dataclass(frozen=True)
class FlowSettings:
    """The recipe. zoom: range of the crops' enlargement. shift: pixels by which the second crop is displaced."""

    steps: int = 2000
    batch: int = 4
    crop: tuple[int, int] = (192, 256)
    rate: float = 1e-3
    warmup: int = 100
    weight_decay: float = 1e-4
    pairs: int = 300
    size: tuple[int, int] = (360, 480)
    zoom: tuple[float, float] = (0.7, 1.4)
    shift: int = 8
    colour: float = 0.25
    seed: int = 0
    checkpoint_every: int = 50
    amp: bool = True

    def __post_init__(self) -> None:
        if min(self.steps, self.batch, self.pairs) < 1:
            raise SettingError(f"steps {self.steps}, batch {self.batch}, pairs {self.pairs}: each must be at least 1")
        if self.seed < 0:
            raise SettingError(f"seed {self.seed}: a seed is 0 or more")
        if max(self.crop[k] / self.zoom[0] + 2 * self.shift - self.size[k] for k in (0, 1)) > 0:
            raise SettingError(f"crop {self.crop}: at zoom {self.zoom[0]} it does not fit into frames of {self.size}")


class FlowPairs:
    """Pairs of frames of drives that no test uses, with true flow; batches are a function of the step alone."""

    def __init__(self, settings: FlowSettings) -> None:
        self.settings = settings
        speeds = list(SPEEDS)
        self.pairs: list[tuple[Tensor, Tensor, Tensor]] = []
        for k in range(settings.pairs):
            drive = SyntheticDrive(*settings.size, 60, 1000 + k // 3, speed=speeds[k % 3])
            index = 1 + (17 * k) % 59
            one, two = (torch.from_numpy(drive[i][0]).permute(2, 0, 1) for i in (index, index - 1))
            self.pairs.append((one, two, torch.from_numpy(drive.flow(index)).permute(2, 0, 1)))

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor, Tensor]:
        """Float ``[batch, 3, h, w]`` in -1..1 twice, and flow ``[batch, 2, h, w]`` in pixels of the crop."""
        samples = []
        for k in range(step * self.settings.batch, (step + 1) * self.settings.batch):
            epoch, position = divmod(k, len(self.pairs))
            order = np.random.default_rng((self.settings.seed, epoch)).permutation(len(self.pairs))
            samples.append(self._sample(int(order[position]), np.random.default_rng((self.settings.seed, 1, k))))
        one, two, flow = zip(*samples, strict=True)
        return torch.stack(one), torch.stack(two), torch.stack(flow)

    def _sample(self, index: int, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        one, two, flow = self.pairs[index]
        how = self.settings
        zoom = float(np.exp(rng.uniform(*np.log(how.zoom))))
        window = round(how.crop[0] / zoom), round(how.crop[1] / zoom)
        shift = rng.integers(-how.shift, how.shift + 1, 2)  # rows, columns
        top, left = (int(rng.integers(how.shift, how.size[k] - window[k] - how.shift + 1)) for k in (0, 1))
        here = slice(top, top + window[0]), slice(left, left + window[1])
        there = tuple(slice(s.start + int(d), s.stop + int(d)) for s, d in zip(here, shift, strict=True))
        scale = torch.tensor([how.crop[1] / window[1], how.crop[0] / window[0]]).view(2, 1, 1)
        moved = (flow[:, *here] - torch.tensor([shift[1], shift[0]]).view(2, 1, 1)) * scale
        images = [_enlarged(image[:, *where].float(), how.crop) for image, where in ((one, here), (two, there))]
        moved = F.interpolate(moved[None].float(), how.crop, mode="nearest-exact")[0]
        if rng.random() < 0.5:
            images, moved = [image.flip(-1) for image in images], moved.flip(-1) * torch.tensor([-1.0, 1]).view(2, 1, 1)
        gain = torch.from_numpy(rng.uniform(1 - how.colour, 1 + how.colour, (3, 1, 1)).astype(np.float32))
        one, two = ((image * gain).clamp(0, 255) / 127.5 - 1 for image in images)
        return one, two, moved


def _enlarged(image: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(image[None], size, mode="bilinear", align_corners=False, antialias=True)[0]


def flow_loss(levels: Sequence[Tensor], truth: Tensor) -> Tensor:
    """End-point error in pixels, weighted over the levels ``[N, 2, h, w]``; truth ``[N, 2, H, W]``."""
    total = truth.new_zeros(())
    for weight, flow in zip(_LEVELS, levels, strict=True):
        there = F.interpolate(truth, flow.shape[-2:], mode="nearest-exact")
        total = total + weight * (flow - there).pow(2).sum(1).add(1e-4).sqrt().mean()
    return total


def end_point_error(flow: Flow | None, drives: Sequence[SyntheticDrive], every: int = 15) -> float:
    """Mean distance in pixels between ``flow`` (None: no motion) and the truth, over frames of ``drives``."""
    errors: list[float] = []
    for drive in drives:
        for index in range(every, len(drive), every):
            truth = drive.flow(index)
            found: NDArray[np.float32] = flow(drive[index][0], drive[index - 1][0]) if flow else np.zeros_like(truth)
            errors.append(float(np.hypot(*np.moveaxis(found - truth, -1, 0)).mean()))
    return float(np.mean(errors))


def train_flow(out: Path, settings: FlowSettings, progress: Progress | None = None) -> FlowNet:
    """Trains a ``FlowNet``; goes on from ``out/checkpoint.pt``, and writes ``out/flow.safetensors`` at the end.

    progress: called with every entry of ``out/log.jsonl``. Raises OutputError if the checkpoint was made with other
    settings, or cannot be read.
    """
    torch.manual_seed(settings.seed)
    net = FlowNet()
    optimiser = torch.optim.AdamW(net.parameters(), lr=settings.rate, weight_decay=settings.weight_decay)
    descent = Descent(net, optimiser, amp=settings.amp)
    about = json.dumps({"settings": {"name": "flow", **asdict(settings)}})
    state = checkpoint.load(writable_folder(out), about, torch.device("cpu"))
    if state is not None:
        descent.restore(state)
    pairs = FlowPairs(settings)
    started = time.perf_counter()
    while descent.step < settings.steps:
        one, two, truth = pairs[descent.step]
        with torch.autocast("cpu", torch.bfloat16, enabled=settings.amp):
            levels = net.levels(one, two)
        loss = descent.descend(flow_loss(levels, truth), poly(descent.step, settings.steps, settings.warmup))
        if descent.step % settings.checkpoint_every == 0 or descent.step == settings.steps:
            checkpoint.save(out, {**descent.state(), "about": about})
            log_step(out, progress, descent.step, loss, time.perf_counter() - started)
    save_flow_net(net.eval(), out / "flow.safetensors")
    return net


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m taplab.training.flow", description=__doc__)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=FlowSettings.steps)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", torch.get_num_threads())))
    try:
        settings = FlowSettings(steps=chosen.steps, seed=chosen.seed)
        train_flow(chosen.out, settings, lambda entry: print(entry, flush=True))
    except TaplabError as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
