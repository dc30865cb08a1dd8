"""From a torch network of taplab to a file that other engines run: ONNX, and OpenVINO made of it (extras of theirs)."""

import copy
import json
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from taplab.errors import MissingExtraError, ModelError, SettingError
from taplab.files import writable
from taplab.models.base import Model
from taplab.models.file_settings import ABOUT
from taplab.models.graph import follower_beside
from taplab.models.openvino import import_openvino
from taplab.models.quantised import quantise
from taplab.models.torch import TorchModel
from taplab.models.zoo import ARCHITECTURES, FOLLOWING
from taplab.types import Rgb

FORMATS = (".onnx", ".xml")
_OPSET = 17
_EXAMPLE = (2, 64, 96)  # images, rows, columns: what the network is traced with; no size stays in the file
_OPEN = {0: "images", 2: "rows", 3: "columns"}  # axes of the picture; scores and what was carried have cells


def export(model: Model, file: Path | str, origin: str = "", pictures: Sequence[Rgb] | None = None) -> list[Path]:
    """Writes the network to ``file``, ``.onnx`` or ``.xml`` (OpenVINO, with its ``.bin``); returns the files.

    Input "image": float32 ``[images, 3, rows, columns]``, RGB normalised by mean and std; output "scores": float32
    ``[images, classes, rows / stride, columns / stride]``; images, rows and columns are open. Classes, palette, mean,
    std and ``origin`` stand in the file's metadata under "taplab", as JSON: ``load_model`` reads them. A network made
    for warping gets a second file, ``FILE-follow``, with "carried" and "match" as further inputs (``Model.follow``).
    pictures: RGB uint8 ``[H, W, 3]``, such as the network will see; with them it is quantised to int8 (``.onnx`` alone;
    the second file stays in float32). An earlier file stays whole until the new one is. Raises SettingError for another
    ending, ModelError for a network that is not of taplab's zoo, MissingExtraError, OutputError.
    """
    file, model = check_format(file, int8=pictures is not None), exportable(model)
    parts = [(file, _key_frames(model))]
    if model.follow_cost is not None:
        parts.append((follower_beside(file), _between(model)))
    about = json.dumps(about_model(model, origin))
    with writable(file, "give another -o"):
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".taplab-export-", dir=file.parent) as folder:
            for target, part in parts:
                _write(part, Path(folder) / target.name, about)
            if pictures is not None:
                inputs = (model.prepared(picture[None]).float().cpu().contiguous().numpy() for picture in pictures)
                quantise(Path(folder) / file.name, inputs)
            # In this order the file itself comes last: where it is, all is.
            return [made.replace(file.parent / made.name) for made in sorted(Path(folder).iterdir())]


def check_format(file: Path | str, *, int8: bool = False) -> Path:
    """``file``, if its ending is one of ``FORMATS``, for int8 that of ONNX. Raises SettingError."""
    file = Path(file)
    if file.suffix not in FORMATS:
        raise SettingError(f"{file}: the ending says what to write; give FILE.onnx or FILE.xml (OpenVINO)")
    if int8 and file.suffix != ".onnx":
        raise SettingError(f"{file}: int8 is for ONNX Runtime; give FILE.onnx")
    return file


def exportable(model: Model) -> TorchModel:
    """``model``, if it is a torch network of taplab's zoo. Raises ModelError."""
    if isinstance(model, TorchModel) and is_of_zoo(model):
        return model
    raise ModelError(
        f"{model.name}: only taplab's own torch networks are exported (bundled ones and .safetensors); "
        "for others make an ONNX file with torch.onnx.export and give onnx:FILE"
    )


def is_of_zoo(model: Model) -> bool:
    """Is it a torch network of taplab's own?"""
    return isinstance(model, TorchModel) and type(model.net) in {*ARCHITECTURES.values(), *FOLLOWING.values()}


def about_model(model: TorchModel, origin: str = "") -> Mapping[str, Any]:
    """What a file says of itself."""
    about = {
        "name": model.name,
        "classes": model.classes,
        "palette": model.palette,
        "mean": model.mean,
        "std": model.std,
        "takes_crops": model.takes_crops,
        "origin": origin,
    }
    return about if model.follow_cost is None else {**about, "follow_cost": model.follow_cost}


@dataclass(frozen=True)
class _Part:
    """A network to trace: example inputs and open axes by name."""

    net: nn.Module
    inputs: Mapping[str, Tensor]
    open: Mapping[str, Mapping[int, str]]


class _Called(nn.Module):
    """``net.forward`` or ``net.follow``, with the score channels of the classes alone."""

    def __init__(self, net: nn.Module, method: str, classes: int) -> None:
        super().__init__()
        self.net, self.method, self.classes = net, method, classes

    def forward(self, *inputs: Tensor) -> Tensor:
        scores: Tensor = getattr(self.net, self.method)(*inputs)
        return scores[:, : self.classes]


def _key_frames(model: TorchModel) -> _Part:
    images, rows, columns = _EXAMPLE
    cells = {0: "images", 2: "cell rows", 3: "cell columns"}
    return _Part(
        _Called(_copied(model), "forward", len(model.classes)),
        {"image": torch.zeros(images, 3, rows, columns)},
        {"image": _OPEN, "scores": cells},
    )


def _between(model: TorchModel) -> _Part:
    images, rows, columns = _EXAMPLE
    classes, stride = len(model.classes), int(model.net.stride)  # type: ignore[arg-type]
    cells = {0: "images", 2: "cell rows", 3: "cell columns"}
    at_cells = (rows // stride, columns // stride)
    return _Part(
        _Called(_copied(model), "follow", classes),
        {
            "image": torch.zeros(images, 3, rows, columns),
            "carried": torch.full((images, classes, *at_cells), 1 / classes),
            "match": torch.ones(images, 1, *at_cells),
        },
        {"image": _OPEN, "carried": cells, "match": cells, "scores": cells},
    )


def _copied(model: TorchModel) -> nn.Module:
    """In float32 on the processor, whatever the model computes in."""
    return copy.deepcopy(model.net).cpu().float().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload,no-any-return]


def _write(part: _Part, file: Path, about: str) -> None:
    if file.suffix == ".onnx":
        _write_onnx(part, file, about)
        return
    openvino, between = import_openvino(), file.with_suffix(".onnx")
    _write_onnx(part, between, about)
    openvino.save_model(openvino.Core().read_model(between), file, compress_to_fp16=False)
    between.unlink()


def _write_onnx(part: _Part, file: Path, about: str) -> None:
    try:
        import onnx
    except ImportError as error:
        raise MissingExtraError(f"{file.name}: writing it needs onnx: pip install 'taplab[onnx]'") from error
    with warnings.catch_warnings(), torch.no_grad():
        # Of the exporter by tracing. The newer one needs onnxscript, and takes sizes for divisible that are not.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            part.net.eval(),
            tuple(part.inputs.values()),
            str(file),
            dynamo=False,
            opset_version=_OPSET,
            input_names=[*part.inputs],
            output_names=["scores"],
            dynamic_axes={name: dict(axes) for name, axes in part.open.items()},
        )
    made = onnx.load(file)
    onnx.helper.set_model_props(made, {ABOUT: about})
    onnx.save(made, file)
