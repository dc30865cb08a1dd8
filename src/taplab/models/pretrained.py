"""Networks of the zoo with trained weights, as one ``.safetensors`` file that says all about itself."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from taplab.errors import ModelError
from taplab.files import whole, writable
from taplab.models.bundled import in_folder, weights_of
from taplab.models.torch import IMAGENET_MEAN, IMAGENET_STD, Precision, TorchModel
from taplab.models.zoo import ARCHITECTURES, FOLLOWING, build
from taplab.types import Palette


@dataclass(frozen=True)
class Card:
    """What the weights file says: structure, classes, colours, normalisation, where the weights came from.

    origin: data, recipe, seed and steps in words; empty in files from before it was kept.
    """

    architecture: str
    width: float
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    takes_crops: bool = True
    origin: str = ""


def card_for(architecture: str, width: float, classes: Sequence[str], palette: Palette, origin: str = "") -> Card:
    """A card with the usual normalisation."""
    return Card(architecture, width, tuple(classes), tuple((r, g, b) for r, g, b in palette), origin=origin)


def save_pretrained(net: torch.nn.Module, card: Card, path: Path | str) -> Path:
    """Writes weights (half precision) and card to ``path``, or to ``path/model.safetensors`` if it is a folder.

    An earlier file stays whole until the new one is.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        path = path / "model.safetensors"
    # Norm statistics stay in full precision: they are small, and their range is large.
    weights = {k: v.half() if v.ndim == 4 else v for k, v in net.state_dict().items()}
    with writable(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as part:
            # Not save_file, whose files nobody but their owner may read.
            part.write_bytes(
                save({k: v.contiguous().cpu() for k, v in weights.items()}, {"taplab": json.dumps(asdict(card))})
            )
    return path


def read_card(file: Path) -> Card:
    """What a weights file says about itself. Raises ModelError if it was not saved by taplab."""
    if not file.is_file():
        raise ModelError(f"{file}: no such weights file")
    try:
        with safe_open(file, "pt") as opened:
            about = json.loads((opened.metadata() or {})["taplab"])
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in about.items()}
        fields["palette"] = tuple((r, g, b) for r, g, b in fields["palette"])
        card = Card(**fields)
    except (SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
        raise ModelError(f"{file}: not weights saved by taplab; make them with `taplab train`") from error
    if card.architecture not in ARCHITECTURES | FOLLOWING:
        known = ", ".join(ARCHITECTURES | FOLLOWING)
        raise ModelError(f"{file}: made for {card.architecture!r}; this taplab knows {known}")
    return card


def begin_with(net: torch.nn.Module, name: str, architecture: str, width: float, classes: Sequence[str]) -> Path:
    """Gives ``net`` the weights of a bundled model or a file, which is returned, to train it further.

    Raises ModelError if they are of another architecture, width or list of classes.
    """
    file = weights_of(name) or Path(name)
    card = read_card(file)
    if (card.architecture, card.width, card.classes) != (architecture, width, tuple(classes)):
        what = f"{card.architecture} at width {card.width:g} with {len(card.classes)} classes"
        raise ModelError(f"{name}: is {what}; give --architecture, --width and data that fit")
    net.load_state_dict(_weights_in(file))
    return file


def _weights_in(file: Path) -> dict[str, torch.Tensor]:
    with safe_open(file, "pt") as opened:
        return {key: opened.get_tensor(key).float() for key in opened.keys()}  # noqa: SIM118


def load_pretrained(path: Path | str, *, device: str = "cpu", precision: Precision = "auto") -> TorchModel:
    """The model that ``save_pretrained`` wrote: a file, or a folder with ``model.safetensors``. Raises ModelError."""
    file = in_folder(path)
    card = read_card(file)
    net = build(card.architecture, len(card.classes), card.width)
    try:
        net.load_state_dict(_weights_in(file))
    except RuntimeError as error:
        raise ModelError(f"{file}: its weights do not fit {card.architecture}; train them again") from error
    return TorchModel(
        net,
        classes=card.classes,
        mean=card.mean,
        std=card.std,
        palette=[(int(r), int(g), int(b)) for r, g, b in card.palette],
        name=file.stem if file.stem != "model" else file.resolve().parent.name,
        device=device,
        precision=precision,
        takes_crops=card.takes_crops,
        fixed=True,
    )
