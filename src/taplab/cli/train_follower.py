"""``taplab train --architecture bl2-warp``: the part that glances at the frames between key frames."""

import os
import sys
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taplab.cli.progress import progress_bar
from taplab.cli.usage import refuse
from taplab.errors import SettingError
from taplab.words import counted

if TYPE_CHECKING:
    from taplab.training.follow import FollowSettings
    from taplab.training.sets import Sets

BASE = "bl2-camvid"  # for key frames, where no --init says otherwise
_OF_RECIPES = ("recipe", "crop", "loaders", "tensorboard", "validation", "validation_images", "validation_labels")


def check_usage(written: Collection[str]) -> None:
    """Options that the other architectures have alone. Raises SettingError."""
    refuse(written, _OF_RECIPES, "bl2-warp has a recipe of its own, without crops and validation")
    refuse(written, ("width",), "bl2-warp has that of --init")
    refuse(written, ("device",), "bl2-warp is trained on the CPU")
    if "RANK" in os.environ:
        raise SettingError("--architecture bl2-warp: is trained by one process; start it without torchrun")


def follow_settings(clips: int, **changes: Any) -> "FollowSettings":
    """The recipe with what the command line says otherwise. Raises SettingError."""
    from taplab.training.follow import FollowSettings

    given = {name: value for name, value in changes.items() if value is not None}
    usual = FollowSettings()
    if "rate" in given:  # that of the glance, which begins trained, goes with it
        given["glance_rate"] = given["rate"] * usual.glance_rate / usual.rate
    return replace(usual, clips=clips, **given)


def warn_of_bfloat16(amp: bool, device: str) -> None:
    """Where ``amp`` computes in it and the processor does not."""
    from taplab.machine import has_fast_bfloat16

    if amp and not has_fast_bfloat16(device):
        how = "bfloat16 is emulated on this processor, and slow; --no-amp trains several times faster"
        print(f"taplab: note: {how}", file=sys.stderr)


def follow(
    sets: "Sets",
    out: Path,
    init: str | None,
    settings: "FollowSettings",
    on_interrupt: Callable[[], None],
    *,
    quiet: bool,
    verbose: bool,
) -> None:
    """Makes clips of the images and trains on them. Raises ModelError if ``init`` is no BL2 of these classes."""
    from taplab.training.follow import base_for, train_follower
    from taplab.training.stock import Stock

    base = base_for(init or BASE, sets.training.classes)
    origin = f"{sets.origin}, {counted(settings.clips, 'clip')}, {counted(settings.steps, 'step')}"
    if not quiet:
        warn_of_bfloat16(settings.amp, "cpu")
        print(f"{origin}, batch {settings.batch}, seed {settings.seed}; key frames: {init or BASE}")
    with progress_bar("train bl2-warp", settings.steps, quiet=quiet, unit="steps/s") as bar:

        def show(entry: dict[str, Any]) -> None:
            if "clips" in entry:
                bar.reach(0, f"{entry['clips']} of {counted(settings.clips, 'clip')}")
            else:
                bar.reach(entry["step"], f"loss {entry['loss']:.3f}")
            if verbose:
                print(entry, flush=True)

        train_follower(out, base, Stock(sets.training), origin, settings, show, on_interrupt)
