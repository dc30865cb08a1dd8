"""``taplab train``: a network of the zoo on labelled images."""

import os
import sys
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from taplab.cli import options
from taplab.cli.app import app, interruption_told, reported
from taplab.cli.progress import progress_bar
from taplab.cli.train_follower import check_usage as check_follower
from taplab.cli.train_follower import follow, follow_settings, warn_of_bfloat16
from taplab.cli.usage import on_command_line, refuse
from taplab.config import rows_and_columns
from taplab.errors import SettingError
from taplab.words import counted

if TYPE_CHECKING:
    from taplab.training.recipes import TrainSettings
    from taplab.training.sets import Sets


# Options by the data that make use of them.
_OF_DATA = {
    "camvid cityscapes": ("root", "split", "validation"),
    "sequence": ("images", "labels", "classes", "validation_images", "validation_labels"),
    "synthetic": ("drives",),
}


@app.command(short_help="Train a network on labelled images.")
@reported
def train(
    ctx: typer.Context,
    data: Annotated[str, typer.Argument(help="camvid, cityscapes (both with --root), sequence or synthetic.")],
    out: Annotated[
        Path,
        typer.Option("-o", "--out", parser=options.path, help="Folder for checkpoint, logs and model.safetensors."),
    ],
    root: Annotated[Path | None, typer.Option(help="Where CamVid or Cityscapes is.")] = None,
    split: Annotated[str, typer.Option(help="Split of --root to train on.")] = "train",
    validation: Annotated[str | None, typer.Option(help="Split to validate on, or none. Default: val if any.")] = None,
    images: Annotated[Path | None, typer.Option(help="sequence: folder of images.")] = None,
    labels: Annotated[Path | None, typer.Option(help="sequence: folder of their labels.")] = None,
    classes: Annotated[str, typer.Option(help="sequence: camvid, cityscapes, or a file of class names.")] = "camvid",
    validation_images: Annotated[Path | None, typer.Option(help="sequence: images to validate on.")] = None,
    validation_labels: Annotated[Path | None, typer.Option(help="sequence: their labels.")] = None,
    drives: Annotated[int, typer.Option(min=1, help="synthetic: drives to take stills from.")] = 120,
    recipe: Annotated[str, typer.Option(help="paper; road: made the bundled weights; crops: for --init.")] = "paper",
    architecture: Annotated[str, typer.Option(help="bl1, bl2, bl3, or bl2-warp: made for warping.")] = "bl2",
    width: Annotated[float, typer.Option(min=0.1, max=2, help="Scales every channel count.")] = 1.0,
    init: Annotated[
        str | None, typer.Option(help="Model whose weights to begin with; bl2-warp: its BL2 (default: bl2-camvid).")
    ] = None,
    clips: Annotated[int, typer.Option(min=1, help="bl2-warp: clips to make of the images.")] = 1000,
    steps: Annotated[int | None, typer.Option(min=1, help="Default: the recipe's for this data.")] = None,
    batch: Annotated[int | None, typer.Option(min=2, help="Images of a step, over all processes.")] = None,
    rate: Annotated[float | None, typer.Option(help="Highest learning rate.")] = None,
    crop: Annotated[str | None, typer.Option(help="Rows x columns of the crops, such as 800x800.")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads of the network.")] = None,
    loaders: Annotated[int | None, typer.Option(min=1, help="Threads that prepare batches; default: up to 4.")] = None,
    amp: Annotated[bool | None, typer.Option(help="Mixed precision (bfloat16). Default: the recipe's.")] = None,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write events into OUT/tensorboard.")] = False,
    device: options.Device = "cpu",
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Train a network; run the same command again to go on after an interruption."""
    import torch

    from taplab.models.pretrained import begin_with, card_for
    from taplab.models.torch import check_device
    from taplab.models.zoo import ARCHITECTURES, FOLLOWING, build
    from taplab.training.checkpoint import own_folder
    from taplab.training.log import event_writer
    from taplab.training.loop import is_main_process
    from taplab.training.loop import train as run
    from taplab.training.stock import Stock

    # Whatever can be wrong is found before the data is looked through.
    if device == "cuda" and "LOCAL_RANK" in os.environ:
        device = f"cuda:{os.environ['LOCAL_RANK']}"
    check_device(device)
    if architecture not in ARCHITECTURES | FOLLOWING:
        raise SettingError(f"--architecture {architecture}: choose from {', '.join(ARCHITECTURES | FOLLOWING)}")
    if recipe == "crops" and init is None:
        raise SettingError("--recipe crops: goes on from a trained network; give it with --init MODEL")
    _check_usage(on_command_line(ctx), data, architecture)
    pairs = (images, labels), (validation_images, validation_labels)
    changes = {"steps": steps, "batch": batch, "rate": rate, "amp": amp, "seed": seed}
    if architecture in FOLLOWING:
        followed = follow_settings(clips, **changes)
        sets = _sets(data, root, split, "none", pairs, classes, drives)
        if threads:
            torch.set_num_threads(threads)
        with interruption_told(lambda: _kept(out)):
            follow(sets, out, init, followed, _finishing, quiet=quiet, verbose=verbose)
        if not quiet:
            _tell_end(followed.steps, out)
        return
    settings = _settings(recipe, data, crop, **changes)
    sets = _sets(data, root, split, validation, pairs, classes, drives)
    own_folder(out)
    if tensorboard:
        event_writer()
    if threads:
        torch.set_num_threads(threads)
    torch.manual_seed(seed)
    net = build(architecture, len(sets.training.classes), width)
    begun = None if init is None else begin_with(net, init, architecture, width, sets.training.classes)
    quiet = quiet or not is_main_process()
    with interruption_told(lambda: _kept(out), by_me=is_main_process()):
        stock = Stock(sets.training)
        asked, settings = settings, settings.within(stock.smallest)
        if not quiet:
            _tell(sets, settings, asked, stock.smallest)
            warn_of_bfloat16(settings.amp, device)
        origin = f"{sets.origin}; {settings}" + (f"; from {init}" if init else "")
        with progress_bar(f"train {architecture}", settings.steps, quiet=quiet, unit="steps/s") as bar:

            def show(entry: dict[str, Any]) -> None:
                note = f"loss {entry['loss']:.3f}" if "loss" in entry else f"mIoU {100 * entry['miou']:.1f}"
                bar.reach(entry["step"], note)
                if verbose:
                    print(entry, flush=True)

            run(
                net,
                stock,
                out,
                settings,
                validation=sets.validation,
                device=device,
                card=card_for(architecture, width, stock.classes, stock.palette, origin),
                init=begun,
                tensorboard=tensorboard,
                loaders=loaders,
                progress=show,
                on_interrupt=_finishing if is_main_process() else None,
            )
    if not quiet:
        _tell_end(settings.steps, out)


def _tell_end(steps: int, out: Path) -> None:
    print(f"{counted(steps, 'step')} -> {out / 'model.safetensors'} (use it with --model {out})")


def _check_usage(written: Collection[str], data: str, architecture: str) -> None:
    """Raises SettingError for options that these data, or this architecture, make no use of."""
    for name, options_of in _OF_DATA.items():
        if data not in name.split():
            refuse(written, options_of, f"is for train {' and '.join(name.split())}")
    if architecture == "bl2-warp":
        check_follower(written)
    else:
        refuse(written, ("clips",), "is for --architecture bl2-warp")


def _finishing() -> None:
    print("taplab: finishing this step, to save it; Ctrl-C again stops at once", file=sys.stderr)


def _kept(out: Path) -> str:
    """What Ctrl-C leaves in the folder."""
    from taplab.training.checkpoint import saved_step

    step = saved_step(out)
    return "no step was saved" if step is None else f"{out} holds step {step}; the same command goes on from there"


def _settings(recipe: str, data: str, crop: str | None, **changes: Any) -> "TrainSettings":
    """The recipe with what the command line says otherwise."""
    from taplab.training.recipes import recipe_for

    settings = recipe_for(recipe, data)
    if crop is not None:
        changes["crops"] = ((1.0, rows_and_columns("--crop", crop)),)
    return replace(settings, **{name: value for name, value in changes.items() if value is not None})


def _sets(
    data: str,
    root: Path | None,
    split: str,
    validation: str | None,
    folders: tuple[tuple[Path | None, Path | None], tuple[Path | None, Path | None]],
    classes: str,
    drives: int,
) -> "Sets":
    from taplab.training import sets

    match data:
        case "camvid" | "cityscapes":
            return sets.splits_of(data, root, split, validation)
        case "sequence":
            pair, held_out = _both("images", *folders[0]), _both("validation-images", *folders[1])
            if pair is None:
                raise SettingError("train sequence: say where it is with --images and --labels")
            return sets.folders(pair, held_out, classes)
        case "synthetic":
            return sets.synthetic(drives)
    raise SettingError(f"{data}: no such data; choose from {', '.join(sets.DATA)}")


def _both(name: str, images: Path | None, labels: Path | None) -> tuple[Path, Path] | None:
    """Both folders or neither. Raises SettingError for one alone."""
    if images is None and labels is None:
        return None
    if images is None or labels is None:
        raise SettingError(f"--{name} and --{name.replace('images', 'labels')}: give both")
    return images, labels


def _tell(sets: "Sets", settings: "TrainSettings", asked: "TrainSettings", smallest: tuple[int, int]) -> None:
    print(f"{sets.origin}; {settings}")
    if settings != asked:
        print(f"crops are cut to {smallest[0]}x{smallest[1]}, the rows and columns of the smallest image")
    if sets.note:
        print(sets.note)
