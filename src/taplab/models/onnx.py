"""A network in an ONNX file, run by ONNX Runtime (extra ``onnx``)."""

import re
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from taplab.errors import DeviceError, MissingExtraError, ModelError
from taplab.models.file_settings import ABOUT
from taplab.models.graph import GraphModel, reason
from taplab.models.session import Session, Slot

_TYPES = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(uint8)": "uint8"}


class OnnxModel(GraphModel):
    """See ``GraphModel``. ONNX Runtime computes in the file's own precision, on as many threads as torch has."""

    def _open(self, path: Path) -> Session:
        return _OnnxSession(path, self.device)


class _OnnxSession:
    """See ``Session``."""

    def __init__(self, path: Path, device: str) -> None:
        self._session = _open(path, device)
        self.inputs = [Slot(i.name, _shape(i.shape), _TYPES.get(i.type, i.type)) for i in self._session.get_inputs()]
        self.about = str(self._session.get_modelmeta().custom_metadata_map.get(ABOUT, ""))
        self.outputs = [Slot(o.name, _shape(o.shape or []), o.type) for o in self._session.get_outputs()]

    def __call__(self, output: int, *arrays: NDArray[Any]) -> NDArray[Any]:
        given = dict(zip((slot.name for slot in self.inputs), arrays, strict=True))
        wanted: NDArray[Any] = self._session.run([self.outputs[output].name], given)[0]
        return wanted


def _shape(sides: list[Any]) -> tuple[int | None, ...]:
    """ONNX gives open sides a name, or none."""
    return tuple(side if isinstance(side, int) else None for side in sides)


def _provider_for(device: str) -> tuple[str, dict[str, str]]:
    """Its name and settings. Raises DeviceError for anything but cpu, cuda and cuda:N."""
    found = re.fullmatch(r"cpu|cuda(?::(\d+))?", device)
    if found is None:
        raise DeviceError(f"{device}: no such device; ONNX Runtime runs on cpu, cuda and cuda:N here")
    if device == "cpu":
        return "CPUExecutionProvider", {}
    return "CUDAExecutionProvider", {"device_id": found[1] or "0"}


def _open(path: Path, device: str) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError("this needs ONNX Runtime: pip install 'taplab[onnx]'") from error
    if not path.is_file():
        raise ModelError(f"{path}: no such ONNX file")
    provider, how = _provider_for(device)
    if provider not in onnxruntime.get_available_providers():
        raise DeviceError(
            f"{device}: this ONNX Runtime has no {provider}; pip install onnxruntime-gpu, or use --device cpu"
        )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what it warns of means nothing to the user, and errors are raised as well
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # spinning threads slow the others down
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=[(provider, how)])
    except Exception as error:  # see GraphModel
        raise ModelError(f"{path}: ONNX Runtime cannot load it: {reason(error)}") from error
    if provider not in session.get_providers():  # it goes on without one that does not start, and says so to its log
        why = "CUDA, cuDNN or the driver does not fit this ONNX Runtime"
        raise DeviceError(f"{device}: {provider} does not start ({why}); use --device cpu")
    return session
