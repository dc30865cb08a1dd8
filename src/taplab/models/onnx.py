"""A network in an ONNX file, run by ONNX Runtime (extra ``onnx``)."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from taplab.errors import DeviceError, MissingExtraError, ModelError
from taplab.models.base import Model
from taplab.models.torch import IMAGENET_MEAN, IMAGENET_STD, check_channels, three_numbers
from taplab.output.palettes import palette_for
from taplab.types import Palette

_CHECKED_INPUT = "expected one image input, float [N, 3, H, W] or [N, H, W, 3]"


class OnnxModel(Model):
    """A network with one float image input and scores ``[N, C, h, w]`` or ``[N, h, w, C]`` as its first output.

    With a fixed input shape the frame is resized to it, and regions cannot be given to the network: RGC is off
    (``takes_crops`` is False). What the file does not say may stand in a TOML file of the same name
    (``model.onnx``, ``model.toml``): classes, mean, std (of RGB in 0..1), bgr, palette; arguments go before it.
    Raises ModelError if the file is missing, is not ONNX or has another input.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        classes: Sequence[str] | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        bgr: bool | None = None,
        palette: Palette | None = None,
        device: str = "cpu",
    ) -> None:
        path = Path(path)
        self.name, self.device = path.name, device
        self._session = _open(path, device)
        self._read_input()
        beside = _settings_beside(path)
        mean = beside.get("mean", IMAGENET_MEAN) if mean is None else mean
        std = beside.get("std", IMAGENET_STD) if std is None else std
        self.mean = np.array(three_numbers("mean", mean), np.float32) * 255
        self.std = np.array(three_numbers("std", std), np.float32) * 255
        self.bgr = bool(beside.get("bgr", False) if bgr is None else bgr)
        names = beside.get("classes") if classes is None else classes
        channels = self._probe(len(names) if names else None)
        self.classes = tuple(names) if names else tuple(f"class {i}" for i in range(channels))
        colours = palette or beside.get("palette") or palette_for(channels)
        self.palette = [(int(r), int(g), int(b)) for r, g, b in colours]
        if len(self.palette) != channels:
            raise ModelError(f"{self.name}: {len(self.palette)} colours for {channels} classes")

    @property
    def takes_crops(self) -> bool:  # type: ignore[override]
        """False where the input shape is fixed."""
        return self.size is None

    def __call__(self, images: NDArray[np.uint8]) -> Tensor:
        """See ``Model``; one call of the session, or one an image where the batch size is fixed."""
        x = np.stack([self._prepare(image) for image in images])
        step = self._batch or len(x)
        parts = [self._run(x[i : i + step]) for i in range(0, len(x), step)]
        return torch.from_numpy(np.concatenate(parts))

    def _prepare(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        if self.size is not None and image.shape[:2] != self.size:
            planes = torch.from_numpy(image).permute(2, 0, 1)[None].float()
            resized = F.interpolate(planes, self.size, mode="bilinear", align_corners=False, antialias=True)
            image = resized[0].permute(1, 2, 0).numpy()
        x = (image[..., ::-1] if self.bgr else image).astype(np.float32)
        x = (x - (self.mean[::-1] if self.bgr else self.mean)) / (self.std[::-1] if self.bgr else self.std)
        return x if self._channels_last else np.ascontiguousarray(x.transpose(2, 0, 1))

    def _run(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            scores = np.asarray(self._session.run([self._output], {self._input: x.astype(self._dtype)})[0], np.float32)
        except Exception as error:  # ONNX Runtime raises classes of its own, none of them documented
            reason = str(error).splitlines()[0]
            raise ModelError(f"{self.name}: cannot take an input of shape {x.shape}: {reason}") from error
        if scores.ndim != 4:
            raise ModelError(f"{self.name}: its output has shape {scores.shape}; expected scores, no argmax")
        return scores.transpose(0, 3, 1, 2) if self._scores_last else scores

    def _read_input(self) -> None:
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or len(inputs[0].shape) != 4:
            shapes = ", ".join(f"{i.name} {i.shape}" for i in inputs)
            raise ModelError(f"{self.name}: its inputs are {shapes}; {_CHECKED_INPUT}")
        first, shape = inputs[0], inputs[0].shape
        if first.type not in ("tensor(float)", "tensor(float16)"):
            raise ModelError(f"{self.name}: its input is {first.type}; {_CHECKED_INPUT}")
        self._channels_last = shape[3] == 3 and shape[1] != 3
        if not self._channels_last and shape[1] != 3 and isinstance(shape[1], int):
            raise ModelError(f"{self.name}: its input has shape {shape}; {_CHECKED_INPUT}")
        self._input, self._output = first.name, self._session.get_outputs()[0].name
        self._dtype = np.float16 if first.type == "tensor(float16)" else np.float32
        self._batch = shape[0] if isinstance(shape[0], int) else None
        rows, columns = shape[1:3] if self._channels_last else shape[2:]
        fixed = isinstance(rows, int) and isinstance(columns, int)
        self.size: tuple[int, int] | None = (rows, columns) if fixed else None

    def _probe(self, expected: int | None) -> int:
        """Runs it once: does it work, and how many classes does it score?"""
        size = self.size or (256, 384)
        self._scores_last = False
        shape = tuple(self(np.zeros((1, *size, 3), np.uint8)).shape)
        self._scores_last = _is_channels_last(shape, size, self._channels_last)
        scores = self(np.zeros((1, *size, 3), np.uint8))
        check_channels(self.name, scores.shape[1])
        if expected is not None and scores.shape[1] != expected:
            raise ModelError(f"{self.name}: scores {scores.shape[1]} classes, but {expected} class names were given")
        return int(scores.shape[1])


def _is_channels_last(shape: tuple[int, ...], size: tuple[int, int], as_input: bool) -> bool:
    """Is it [N, h, w, C]? Rows and columns shrink the input alike; if that leaves it open, it is as the input is."""
    first = abs(size[0] / shape[2] - size[1] / shape[3]) / (size[0] / shape[2])  # if [N, C, h, w]
    last = abs(size[0] / shape[1] - size[1] / shape[2]) / (size[0] / shape[1])  # if [N, h, w, C]
    return last < first if abs(last - first) > 0.02 else as_input


def _open(path: Path, device: str) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError(f"{path}: ONNX models need ONNX Runtime: pip install 'taplab[onnx]'") from error
    if not path.is_file():
        raise ModelError(f"{path}: no such ONNX file")
    provider = "CUDAExecutionProvider" if device.startswith("cuda") else "CPUExecutionProvider"
    if provider not in onnxruntime.get_available_providers():
        raise DeviceError(
            f"{device}: this ONNX Runtime has no {provider}; pip install onnxruntime-gpu, or use --device cpu"
        )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only: load-time warnings mean nothing to the user
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # spinning threads slow the others down
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=[provider])
    except Exception as error:  # see _run
        raise ModelError(f"{path}: ONNX Runtime cannot load it: {str(error).splitlines()[0]}") from error


def _settings_beside(path: Path) -> dict[str, Any]:
    beside = path.with_suffix(".toml")
    if not beside.is_file():
        return {}
    try:
        settings = tomllib.loads(beside.read_text())
        if unknown := sorted(settings.keys() - {"classes", "mean", "std", "bgr", "palette"}):
            raise ModelError(f"{beside}: {unknown[0]!r} is none of classes, mean, std, bgr, palette")
        if not isinstance(settings.get("classes", []), list):
            raise ModelError(f"{beside}: write classes as a list of names")
        return settings
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{beside}: not a TOML file ({error})") from error
