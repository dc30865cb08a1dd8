"""A network in an OpenVINO or ONNX file, run by OpenVINO (extra ``openvino``)."""

from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from taplab.errors import DeviceError, MissingExtraError, ModelError
from taplab.models.file_settings import ABOUT
from taplab.models.graph import GraphModel, reason
from taplab.models.session import Session, Slot
from taplab.models.torch import Precision, autocast_type

_TYPES = {"f32": "float32", "f16": "float16", "u8": "uint8"}
_WHERE = ["framework", ABOUT]  # where OpenVINO keeps what an ONNX file says of itself


class OpenVinoModel(GraphModel):
    """See ``GraphModel``; takes ``.xml`` with its ``.bin``, and ``.onnx``. Runs on the processor.

    precision: what it computes in; "auto" is bfloat16 where the processor computes with it, as for ``TorchModel``.
    On as many threads as torch has. Raises DeviceError for another device.
    """

    def __init__(self, path: Path | str, *, precision: Precision = "auto", **about: Any) -> None:
        self.precision = precision
        super().__init__(path, **about)

    def _open(self, path: Path) -> Session:
        if self.device != "cpu":
            raise DeviceError(f"{self.device}: OpenVINO runs on the processor here; use --device cpu")
        half = autocast_type(self.precision, self.device) == torch.bfloat16
        return _OpenVinoSession(path, "bf16" if half else "f32")


class _OpenVinoSession:
    """See ``Session``. precision: in OpenVINO's terms."""

    def __init__(self, path: Path, precision: str) -> None:
        openvino = import_openvino()
        _check(path)
        how = {
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "PERFORMANCE_HINT": "LATENCY",
        }
        core = openvino.Core()
        try:
            model = core.read_model(path)
            self._compiled = core.compile_model(model, "CPU", how)
        except Exception as error:  # see GraphModel
            raise ModelError(f"{path}: OpenVINO cannot load it: {reason(error)}") from error
        self.about = str(model.get_rt_info(_WHERE).astype(str)) if model.has_rt_info(_WHERE) else ""
        self.inputs = [_slot(port) for port in model.inputs]
        self.outputs = [_slot(port) for port in model.outputs]

    def __call__(self, output: int, *arrays: NDArray[Any]) -> NDArray[Any]:
        wanted: NDArray[Any] = self._compiled(list(arrays), share_inputs=True)[output]
        return wanted


def import_openvino() -> Any:
    """The library. Raises MissingExtraError."""
    try:
        import openvino
    except ImportError as error:
        raise MissingExtraError("this needs OpenVINO: pip install 'taplab[openvino]'") from error
    return openvino


def _check(path: Path) -> None:
    """OpenVINO tries every format that it knows on a bad file, and says much about it."""
    if not path.is_file():
        raise ModelError(f"{path}: no such OpenVINO file")
    if path.suffix == ".onnx":
        return
    with path.open("rb") as file:
        if not file.read(64).lstrip().startswith(b"<"):
            raise ModelError(f"{path}: no OpenVINO file; give the .xml that was written beside the .bin")
    if not path.with_suffix(".bin").is_file():
        raise ModelError(f"{path}: its weights, {path.with_suffix('.bin').name}, are not beside it")


def _slot(port: Any) -> Slot:
    ranked = not port.partial_shape.rank.is_dynamic
    shape = tuple(None if side.is_dynamic else side.get_length() for side in port.partial_shape) if ranked else ()
    kind = port.element_type.to_string()
    return Slot(port.any_name if port.names else "", shape, _TYPES.get(kind, kind))
