"""The part of ``taplab calibrate`` that runs the network: ``--agreement``."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from taplab import __version__
from taplab.cli.progress import progress_bar
from taplab.words import counted

if TYPE_CHECKING:
    from taplab.calibrate import FolderEncoding
    from taplab.models.base import Model


def fit(
    clips: Sequence[str],
    model: "Model",
    encoding: "FolderEncoding",
    interval: int,
    max_frames: int | None,
    *,
    quiet: bool,
) -> dict[str, float]:
    """Per cent of pixels for each grey level of mismatch, by mode. Raises SourceError."""
    from taplab.agreement import MODES, disagreement, measure_agreement

    measured = []
    with progress_bar(f"agreement with {model.name}", None, quiet=quiet) as bar:
        for clip in clips:
            name = Path(clip).name or clip
            measured += measure_agreement(
                clip,
                model,
                encoding=encoding,
                interval=interval,
                max_frames=max_frames,
                on_frame=lambda stage, name=name: bar.advance(f"{stage} {name}"),  # type: ignore[misc]
            )
    return {mode: disagreement(measured, mode) for mode in MODES}


def write(out: Path, found: dict[str, float], model: str, clips: Sequence[str]) -> None:
    """Into a file of settings, beside the threshold. model: as for ``--model``."""
    from taplab.config import digest
    from taplab.settings_file import write_setting

    call = f"taplab {__version__}: {shlex.join(['taplab', *sys.argv[1:]])}"
    lines = [f"of {model}, on {counted(len(clips), 'clip')}", call]
    comment = ["".join(c if c.isprintable() else "?" for c in line) for line in lines]
    for mode, value in found.items():
        write_setting(out, f"disagreement_{mode}", value, comment)
    write_setting(out, "disagreement_model", f"{model} {digest(model)}", [])


def report(found: dict[str, float], model: "Model") -> None:
    """What was found, beside what holds without it."""
    from taplab.policies import Relations

    for mode, value in found.items():
        usual = getattr(Relations(), mode).disagreement
        print(
            f"disagreement_{mode} = {value:g}: of {model.name}, per cent of pixels for each grey level of mismatch "
            f"({usual:g} without calibration)"
        )
