"""From what a user writes after ``--model`` to a model."""

import importlib
import inspect
import sys
from functools import partial
from pathlib import Path
from typing import Any

from taplab.blame import blamed
from taplab.errors import ModelError
from taplab.models.base import Model
from taplab.models.bundled import bundled, weights_of

DEFAULT = "bl2-camvid"


def load_model(name: str | Path = DEFAULT, *, device: str = "cpu", engine: str | None = None) -> Model:
    """A bundled model, a ``.safetensors`` file or folder, ``onnx:FILE``, ``openvino:FILE``, ``hf:NAME_OR_FOLDER``,
    ``python:module:callable``.

    The callable takes ``device`` and returns a ``Model``. engine: what runs one of taplab's own networks, see
    ``taplab.models.engine.with_engine``; None leaves it to torch. Raises ModelError if there is no such model,
    DeviceError if the device is missing, and what ``with_engine`` raises.
    """
    model = _loaded(str(name), device)
    if engine is not None:
        from taplab.models.engine import with_engine

        model = with_engine(model, engine)
    model.loaded_by = partial(load_model, str(name), device=device, engine=engine)
    return model


def _loaded(text: str, device: str) -> Model:
    if not text:
        raise ModelError(f"model: its name is empty; give a bundled one ({', '.join(bundled())}) or a file")
    if text.startswith("openvino:") or text.endswith(".xml"):
        from taplab.models.openvino import OpenVinoModel

        return OpenVinoModel(text.removeprefix("openvino:"), device=device)
    if text.startswith("onnx:") or text.endswith(".onnx"):
        from taplab.models.onnx import OnnxModel

        return OnnxModel(text.removeprefix("onnx:"), device=device)
    if text.startswith("hf:"):
        from taplab.models.huggingface import load_huggingface

        return load_huggingface(text.removeprefix("hf:"), device=device)
    if text.startswith("python:"):
        return _model_from_python(text, device)
    if (file := weights_of(text)) is not None:
        from taplab.models.pretrained import load_pretrained

        return load_pretrained(file, device=device)
    known = ", ".join(bundled())
    raise ModelError(
        f"{text}: no such model; bundled are {known}; or give a .safetensors file, onnx:FILE, openvino:FILE, "
        "hf:NAME_OR_FOLDER, python:MODULE:CALLABLE"
    )


def from_python(text: str, device: str) -> Any:
    """What the callable of ``python:MODULE:CALLABLE`` returns for ``device``. Raises ModelError."""
    try:
        _, module, attribute = text.split(":")
    except ValueError as error:
        raise ModelError(f"{text}: write python:MODULE:CALLABLE") from error
    sys.path.insert(0, "")  # a module beside the user's data
    try:
        with blamed(text):
            make = getattr(importlib.import_module(module), attribute, None)
    finally:
        sys.path.remove("")
    if not callable(make) or not _takes_device(make):
        raise ModelError(f"{text}: {module} has no {attribute} that takes device")
    with blamed(text):
        return make(device=device)


def _takes_device(make: Any) -> bool:
    """Can it be called with ``device`` alone?"""
    try:
        inspect.signature(make).bind(device="cpu")
    except TypeError:
        return False
    except ValueError:  # nothing is known of its arguments
        return True
    return True


def _model_from_python(text: str, device: str) -> Model:
    model = from_python(text, device)
    if not isinstance(model, Model):
        raise ModelError(
            f"{text}: returned {type(model).__name__}; return a taplab Model, such as taplab.TorchModel(...)"
        )
    return model
