"""The folder of a training: whose it is, and the checkpoint from which it goes on."""

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from taplab.errors import OutputError
from taplab.files import whole
from taplab.output.folder import writable_folder
from taplab.training.recipes import TrainSettings

_FILE = "checkpoint.pt"
_ABOUT = "settings.json"
_WRITTEN = ("log.jsonl", "log.csv", "model.safetensors")


def own_folder(out: Path) -> Path:
    """Makes ``out``. Raises OutputError if it cannot be written or holds files of these names that are not ours."""
    writable_folder(out)
    foreign = [] if (out / _ABOUT).exists() else [out / name for name in _WRITTEN if (out / name).exists()]
    if foreign:
        raise OutputError(f"{foreign[0]}: is there already, and not from a training; give another folder with -o")
    return out


def about(
    settings: TrainSettings, digest: str, classes: Sequence[str], weights: int, init: str | None, processes: int
) -> str:
    """What must be the same to go on from a checkpoint, as JSON.

    digest: of the labels. weights: their number. init: digest of those of a trained network that it began with.
    """
    what = {"settings": asdict(settings), "data": digest, "classes": list(classes), "weights": weights, "init": init}
    return json.dumps({**what, "processes": processes})


def digest_of(file: Path) -> str:
    """That of what is in a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def begin(out: Path, about: str) -> None:
    """Writes ``out/settings.json``, for people to read; it also says that the folder is ours."""
    (out / _ABOUT).write_text(json.dumps(json.loads(about), indent=2) + "\n")


def begun(out: Path) -> dict[str, Any]:
    """What ``begin`` wrote; empty if nothing that can be read."""
    try:
        about = json.loads((out / _ABOUT).read_text())
    except (OSError, ValueError):
        return {}
    return about if isinstance(about, dict) else {}


def load(out: Path, expected: str, device: torch.device) -> dict[str, Any] | None:
    """The state in ``out/checkpoint.pt``, or None if there is none.

    Raises OutputError if it is damaged, or was made with other settings, on other data or for another network.
    """
    path = out / _FILE
    if not path.exists():
        return None
    state = read(path, device, ("step", "net", "ema", "optimiser", "about"))
    made = _complete(state["about"])
    if made != {name: value for name, value in _complete(expected).items() if name in made}:  # older ones say less
        recipe = "of bl2-warp" if "base" in made else made["settings"]["name"]  # a follower's has no name, but a base
        what = f"other settings or data, or another --init (recipe {recipe})"
        raise OutputError(f"{path}: made with {what}; give them again, or another -o")
    return state


def read(path: Path, device: torch.device | str, parts: Collection[str], *, mmap: bool = False) -> dict[str, Any]:
    """What ``save`` wrote. Raises OutputError if the file is damaged or one of ``parts`` is not in it."""
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True, mmap=mmap)
        missing = set(parts) - state.keys()
    except Exception as error:  # what is no pickle can lead the unpickler anywhere
        raise OutputError(f"{path}: is damaged; remove it to begin anew, or give another -o") from error
    if missing:
        raise OutputError(f"{path}: is no checkpoint of taplab; remove it to begin anew, or give another -o")
    return state


def save(out: Path, state: dict[str, Any]) -> None:
    """Writes ``out/checkpoint.pt``; the earlier one stays whole until the new one is."""
    with whole(out / _FILE) as part:
        torch.save(state, part)


def saved_step(out: Path) -> int | None:
    """That of ``out/checkpoint.pt``; None if there is none to go on from."""
    try:
        return int(read(out / _FILE, "cpu", ("step",), mmap=True)["step"])
    except OutputError:
        return None


def _complete(text: str) -> dict[str, Any]:
    """With the fields that settings have got since then, at their defaults."""
    said: dict[str, Any] = json.loads(text)
    defaults = json.loads(json.dumps(asdict(TrainSettings())))
    return {**said, "settings": defaults | said["settings"]}
