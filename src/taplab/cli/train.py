"""``taplab train``: a network of the zoo on labelled images."""

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from taplab.cli import options
from taplab.cli.app import app, reported
from taplab.cli.progress import progress_bar
from taplab.errors import SettingError, SourceError

if TYPE_CHECKING:
    from taplab.data.labelled import Labelled


@app.command()
@reported
def train(
    data: Annotated[str, typer.Argument(help="camvid (needs --root) or synthetic.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for checkpoint, log and model.safetensors.")],
    root: Annotated[Path | None, typer.Option(help="Folder with train, trainannot and the validation split.")] = None,
    validation: Annotated[str, typer.Option(help="Name of the validation split below --root.")] = "val",
    architecture: Annotated[str, typer.Option(help="bl2.")] = "bl2",
    width: Annotated[float, typer.Option(min=0.1, max=2, help="Scales every channel count.")] = 1.0,
    steps: Annotated[int | None, typer.Option(min=1, help="Default: as the bundled weights were trained.")] = None,
    batch: Annotated[int, typer.Option(min=2)] = 8,
    rate: Annotated[float, typer.Option(help="Learning rate at the end of the warm-up.")] = 2e-3,
    drives: Annotated[int, typer.Option(min=1, help="Synthetic drives to take stills from.")] = 120,
    seed: int = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads.")] = None,
    amp: Annotated[bool, typer.Option(help="Mixed precision (bfloat16).")] = True,
    device: options.Device = "cpu",
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Train a network; run the same command again to go on after an interruption."""
    import torch

    from taplab.models.pretrained import card_for, save_pretrained
    from taplab.models.torch import check_device
    from taplab.models.zoo import ARCHITECTURES, build
    from taplab.training.loop import SYNTHETIC_CROPS, TrainSettings, is_main_process
    from taplab.training.loop import train as run

    if device == "cuda" and "LOCAL_RANK" in os.environ:
        device = f"cuda:{os.environ['LOCAL_RANK']}"
    check_device(device)
    if architecture not in ARCHITECTURES:
        raise SettingError(f"--architecture {architecture}: choose from {', '.join(ARCHITECTURES)}")
    if threads:
        torch.set_num_threads(threads)
    recipe = TrainSettings() if data == "camvid" else TrainSettings(steps=3500, crops=SYNTHETIC_CROPS)
    steps = steps or recipe.steps
    settings = replace(recipe, steps=steps, batch=batch, rate=rate, seed=seed, amp=amp)
    training, held_out = _data(data, root, validation, drives)
    torch.manual_seed(seed)
    net = build(architecture, len(training.classes), width)
    quiet = quiet or not is_main_process()
    with progress_bar(f"train {architecture}", steps, quiet=quiet, unit="steps/s") as bar:

        def show(entry: dict[str, Any]) -> None:
            note = f"loss {entry['loss']:.3f}" if "loss" in entry else f"mIoU {100 * entry['miou']:.1f}"
            bar.reach(entry["step"], note)
            if verbose:
                print(entry, flush=True)

        net = run(net, training, out, settings, validation=held_out, device=device, progress=show)
    if not is_main_process():
        return
    path = save_pretrained(net.cpu(), card_for(architecture, width, training.classes, training.palette), out)
    if not quiet:
        print(f"{steps} steps -> {path} (use it with --model {path})")


def _data(name: str, root: Path | None, validation: str, drives: int) -> "tuple[Labelled, Labelled | None]":
    """Training set and, if there is one, the set to validate on."""
    if name == "synthetic":
        from taplab.data.stills import SyntheticStills

        # Seeds far from those of the demo and the tests.
        return SyntheticStills(range(1000, 1000 + drives), 384, 640), SyntheticStills(range(2000, 2012), 384, 640)
    if name == "camvid":
        from taplab.data.camvid import camvid

        if root is None:
            raise SettingError("train camvid: say where it is with --root")
        held_out = camvid(root, validation) if (root / validation).is_dir() else None
        return camvid(root, "train"), held_out
    raise SourceError(f"{name}: no such data; choose camvid or synthetic")
