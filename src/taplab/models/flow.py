"""Optical flow by name, and by a learned network."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from taplab.blame import blamed
from taplab.errors import ModelError, SettingError
from taplab.files import writable
from taplab.models.bundled import WEIGHTS
from taplab.models.load import from_python
from taplab.models.torch import Precision, autocast_type, check_device, three_numbers
from taplab.models.zoo.flownet import FlowNet
from taplab.modules.flow import Dis, Farneback, Flow, Vectors
from taplab.types import Rgb

BUNDLED = WEIGHTS / "flow" / "flow-synthetic.safetensors"


class TorchFlow:
    """Wraps ``net``: two float images ``[N, 3, H, W]`` to the flow of the first to the second, ``[N, 2, h, w]``.

    The output may be smaller than the images (PWC-Net: a quarter), and the first of a tuple or list. mean, std: of RGB
    in 0..1. bgr: the order that the network expects. multiple: rows and columns are padded to a multiple of it. scale:
    turns its values into pixels of the images. FlowNet2: ``std=(1 / 255,) * 3, multiple=64``, in a callable that
    stacks both images as it wants them; PWC-Net: ``multiple=64, scale=20``.

    Raises DeviceError if the device is not there, ModelError if the network raises or gives something else.
    """

    def __init__(
        self,
        net: Callable[[Tensor, Tensor], Any],
        *,
        mean: Sequence[float] = (0.0, 0.0, 0.0),
        std: Sequence[float] = (1.0, 1.0, 1.0),
        bgr: bool = False,
        multiple: int = 1,
        scale: float = 1.0,
        name: str = "flow",
        device: str = "cpu",
        precision: Precision = "float32",
    ) -> None:
        self.name, self.device, self.bgr, self.multiple, self.scale = name, check_device(device), bgr, multiple, scale
        self.net = net.eval().to(device) if isinstance(net, nn.Module) else net
        self.dtype = autocast_type(precision, device)
        self._mean = torch.tensor(three_numbers("mean", mean), device=device).view(3, 1, 1) * 255
        self._std = torch.tensor(three_numbers("std", std), device=device).view(3, 1, 1) * 255

    @torch.inference_mode()
    def __call__(self, now: Rgb, before: Rgb) -> Vectors:
        """See ``Flow``."""
        height, width = now.shape[:2]
        images = self._prepared(now), self._prepared(before)
        half = torch.autocast(torch.device(self.device).type, self.dtype, enabled=self.dtype != torch.float32)
        with blamed(self.name), half:
            found = self.net(*images)
        found = found[0] if isinstance(found, list | tuple) else found
        if not isinstance(found, Tensor) or found.ndim != 4 or found.shape[:2] != (1, 2):
            shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise ModelError(f"{self.name}: gives {shape}; a flow network gives [N, 2, h, w]")
        whole = F.interpolate(found.float(), images[0].shape[-2:], mode="bilinear", align_corners=False)
        flow: Vectors = (whole[0, :, :height, :width] * self.scale).permute(1, 2, 0).contiguous().cpu().numpy()
        if not np.isfinite(flow).all():
            raise ModelError(f"{self.name}: its flow is not finite; check its weights, mean and std")
        return flow

    def _prepared(self, image: Rgb) -> Tensor:
        """Normalised ``[1, 3, H, W]``, padded at the right and at the bottom."""
        x = torch.from_numpy(image).to(self.device).permute(2, 0, 1)[None].float()
        x = (x - self._mean) / self._std
        x = x.flip(1) if self.bgr else x
        return F.pad(x, (0, -x.shape[3] % self.multiple, 0, -x.shape[2] % self.multiple), mode="replicate")


def load_flow(name: str, *, device: str = "cpu") -> Flow:
    """``dis``, ``farneback`` (extra ``flow``), ``net`` (bundled), ``python:MODULE:CALLABLE``.

    The callable takes ``device`` and returns a ``Flow``, or a torch module that ``TorchFlow`` wraps as it is. Raises
    SettingError for another name, MissingExtraError, ModelError, DeviceError.
    """
    if name == "dis":
        return Dis()
    if name == "farneback":
        return Farneback()
    if name == "net":
        return load_flow_net(BUNDLED, device=device)
    if name.startswith("python:"):
        with blamed(name):
            made = from_python(name, device)
        if isinstance(made, nn.Module):
            return TorchFlow(made, name=name, device=device)
        if not callable(made):
            raise ModelError(f"{name}: returned {type(made).__name__}; return a flow or a torch module")
        return made  # type: ignore[no-any-return]
    raise SettingError(f"flow {name!r}: choose dis, farneback, net or python:MODULE:CALLABLE")


def load_flow_net(path: Path, *, device: str = "cpu", precision: Precision = "auto") -> TorchFlow:
    """The network that ``save_flow_net`` wrote. Raises ModelError."""
    net = FlowNet()
    try:
        with safe_open(path, "pt") as opened:
            net.load_state_dict({key: opened.get_tensor(key).float() for key in opened.keys()})  # noqa: SIM118
    except (SafetensorError, RuntimeError, OSError) as error:
        raise ModelError(f"{path}: no weights of the flow network; make them with taplab.training.flow") from error
    half = (0.5, 0.5, 0.5)
    return TorchFlow(net, mean=half, std=half, multiple=32, name=path.stem, device=device, precision=precision)


def save_flow_net(net: FlowNet, path: Path) -> Path:
    """Writes the weights in half precision. Raises OutputError."""
    about = {"taplab": json.dumps({"architecture": "flownet"})}
    with writable(path):
        save_file({k: v.half().contiguous() for k, v in net.state_dict().items()}, path, about)
    return path
