"""What runs a torch network of taplab: torch itself, ONNX Runtime, OpenVINO, or the fastest of them here."""

import hashlib
import json
import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from taplab.cache_folder import cache_folder
from taplab.errors import MissingExtraError, ModelError, SettingError
from taplab.files import whole, writable
from taplab.machine import hardware
from taplab.models import zoo
from taplab.models.base import Model
from taplab.models.export import about_model, export, exportable, is_of_zoo
from taplab.models.graph import GraphModel
from taplab.models.onnx import OnnxModel
from taplab.models.openvino import OpenVinoModel
from taplab.models.torch import TorchModel

ENGINES = ("torch", "onnx", "openvino", "auto")
_ROUNDS = 3  # of timing, in turn
_PACKAGES = ("torch", "onnxruntime", "openvino")  # on whose versions the speed depends


def with_engine(model: Model, engine: str) -> Model:
    """``model`` with its network run by ``engine``; an ``auto`` one is a ``Fastest``.

    The network is exported once into the user's cache (``taplab.cache_folder``), by its weights. torch and OpenVINO
    compute in bfloat16 where ``model`` does, ONNX Runtime in float32. Raises SettingError for an unknown engine or,
    other than torch, for a device that is not the processor; ModelError for a network that is not of taplab's zoo,
    MissingExtraError, OutputError.
    """
    if engine not in ENGINES:
        raise SettingError(f"engine {engine!r}: choose from {', '.join(ENGINES)}")
    if not is_of_zoo(model):
        raise ModelError(
            f"{model.name}: engine {engine} is for taplab's own networks (bundled ones, .safetensors); leave it out, "
            "others run in ONNX Runtime as onnx:FILE and in OpenVINO as openvino:FILE"
        )
    of_torch = exportable(model)
    if engine == "torch":
        return model
    if model.device != "cpu":
        raise SettingError(f"engine {engine}: runs on the processor; leave it out with --device {model.device}")
    return Fastest(of_torch) if engine == "auto" else _MAKE[engine](of_torch)


class Fastest(Model):
    """``model`` in the engine that is fastest here, among those installed.

    Found by ``choose`` at the size that ``settle`` is told, or of the first picture; it stays for other sizes.
    """

    def __init__(self, model: TorchModel) -> None:
        self.name, self.classes, self.palette = f"{model.name} (auto)", model.classes, model.palette
        self.takes_crops, self.follow_cost = model.takes_crops, model.follow_cost
        self._model = model
        self._chosen: Model | None = None

    def __call__(self, images: NDArray[np.uint8]) -> Tensor:
        """See ``Model``."""
        return self._at(images.shape[1], images.shape[2])(images)

    def follow(self, images: NDArray[np.uint8], carried: Tensor, match: Tensor) -> Tensor:
        """See ``Model``."""
        return self._at(images.shape[1], images.shape[2]).follow(images, carried, match)

    def settle(self, size: tuple[int, int]) -> None:
        """See ``Model``; nothing where the source does not say its size."""
        if min(size) > 0:
            self._at(*size)

    def _at(self, rows: int, columns: int) -> Model:
        if self._chosen is None:
            self._chosen = choose(self._model, (rows, columns))
            self.name = self._chosen.name
            if self.loaded_by is not None:  # other processes need not choose
                self.loaded_by = partial(self.loaded_by, engine=_engine_of(self._chosen))
        return self._chosen


def _engine_of(model: Model) -> str:
    return "torch" if isinstance(model, TorchModel) else "onnx" if isinstance(model, OnnxModel) else "openvino"


def choose(model: TorchModel, size: tuple[int, int]) -> Model:
    """``model`` in the installed engine with the shortest pass on a picture of ``size`` (rows, columns).

    What was found stays in the user's cache, for these weights, this size, processor, number of threads, and versions.
    """
    versions = [_version(package) for package in _PACKAGES]
    key = _digest(_identity(model).encode(), repr((size, model.dtype, hardware(), versions)).encode())
    file = _folder() / f"{key}.json"
    with suppress(FileNotFoundError, ValueError, KeyError, TypeError, MissingExtraError):
        known = str(json.loads(file.read_text())["engine"])
        return model if known == "torch" else _MAKE[known](model)
    engines: dict[str, Model] = {"torch": model}
    for name, make in _MAKE.items():
        with suppress(MissingExtraError):
            engines[name] = make(model)
    seconds = time_passes(engines, size)
    fastest = min(seconds, key=seconds.__getitem__)
    _keep(file, json.dumps({"engine": fastest, "seconds": seconds}))
    return engines[fastest]


def time_passes(models: Mapping[str, Model], size: tuple[int, int], rounds: int = _ROUNDS) -> dict[str, float]:
    """Median seconds of a pass of each on noise of ``size`` (rows, columns), in turn, after one pass to warm up."""
    image = np.random.default_rng(0).integers(0, 256, (1, *size, 3), np.uint8)
    taken: dict[str, list[float]] = {name: [] for name in models}
    for model in models.values():
        model(image)
    for _ in range(rounds):
        for name, model in models.items():
            started = time.perf_counter()
            model(image)
            taken[name].append(time.perf_counter() - started)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def _onnx(model: TorchModel) -> GraphModel:
    return _named(OnnxModel(exported(model)), model, "onnx")


def _openvino(model: TorchModel) -> GraphModel:
    half = model.dtype == torch.bfloat16
    return _named(OpenVinoModel(exported(model), precision="bfloat16" if half else "float32"), model, "openvino")


_MAKE: dict[str, Callable[[TorchModel], GraphModel]] = {"onnx": _onnx, "openvino": _openvino}


def _named(made: GraphModel, model: TorchModel, engine: str) -> GraphModel:
    made.name = f"{model.name} ({engine})"
    return made


def exported(model: TorchModel) -> Path:
    """The network's ONNX file in the user's cache, written at the first asking."""
    file = _folder() / _identity(model) / "network.onnx"
    if not file.is_file():
        export(model, file)
    return file


def _folder() -> Path:
    folder = cache_folder() / "engines"
    with writable(folder, "set TAPLAB_CACHE to a folder of yours"):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def _keep(file: Path, text: str) -> None:
    with writable(file, "set TAPLAB_CACHE to a folder of yours"), whole(file) as part:
        part.write_text(text)


def _identity(model: TorchModel) -> str:
    """Other for other weights, and for another way of exporting them."""
    own = [Path(__file__).with_name("export.py"), *sorted(Path(zoo.__file__).parent.glob("*.py"))]
    about = json.dumps([type(model.net).__name__, about_model(model), torch.__version__])
    weights = (
        f"{key} {tuple(v.shape)}".encode() + v.cpu().numpy().tobytes() for key, v in model.net.state_dict().items()
    )
    return _digest(about.encode(), *(file.read_bytes() for file in own), *weights)


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()[:24]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
