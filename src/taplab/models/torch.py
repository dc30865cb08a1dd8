"""Any ``torch.nn.Module`` as a model."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from taplab.blame import blamed
from taplab.errors import DeviceError, ModelError
from taplab.machine import has_fast_bfloat16
from taplab.models.base import (
    Model,
    Pictures,
    check_channels,
    check_classes,
    check_multiple,
    check_palette,
    follow_cost_of,
    names_of,
)
from taplab.models.folded import folded
from taplab.models.side_by_side import side_by_side
from taplab.palettes import palette_for
from taplab.types import Palette

Precision = Literal["float32", "bfloat16", "auto"]
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
FARTHEST = {"mean": 4.0, "std": 200.0}  # for RGB in 0..1; some networks divide by a std for 0..255 all the same
_NAMES = ("out", "logits", "scores")  # that outputs give their score maps
_TRIED = (128, 192)  # rows, columns: a picture to compare a folded network on
_APART = 0.01  # of the highest score, that it may be off: GPUs multiply with ten bits
_COMMON = 32  # pixels, of whose multiples many networks want rows and columns
_SIZES = ("size", "shape", "dimension", "divisible", "multiple")  # of which an error tells that ``multiple`` may mend
_MULTIPLE = f"if it takes only multiples of some pixels, give TorchModel(..., multiple={_COMMON})"


class TorchModel(Model):
    """Wraps ``net``: normalised float ``[N, 3, H, W]`` to scores ``[N, C, h, w]`` (or a tuple or dict that holds them).

    classes: names; score channels beyond them are ignored. mean, std: of RGB in 0..1. precision: "auto" is
    bfloat16 where the processor computes with it, else float32. fixed: the weights of ``net`` change no more after the
    first pass, and it keeps nothing of a pass, so that a ``folded`` copy of it may run, on several threads at once;
    where such a copy gives other scores for a picture of noise, the network runs as it is.
    Raises DeviceError if the device is not there, ModelError if the network gives fewer channels than classes.
    """

    def __init__(
        self,
        net: nn.Module,
        *,
        classes: Sequence[str],
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        palette: Palette | None = None,
        name: str = "torch",
        device: str = "cpu",
        precision: Precision = "float32",
        takes_crops: bool = True,
        fixed: bool = False,
        multiple: int = 1,
    ) -> None:
        if not isinstance(net, nn.Module):
            raise ModelError(f"{name}: {net!r:.60} is no network; give an instance of torch.nn.Module")
        self.name, self.classes, self.takes_crops = name, names_of(name, classes), takes_crops
        check_classes(name, len(self.classes))
        count = len(self.classes)
        self.palette = palette_for(count) if palette is None else check_palette(name, palette, count)
        self.device = check_device(device)
        self.takes_tensors = self.device != "cpu" and type(self) is TorchModel  # what a subclass does is not known
        self.mean, self.std = three_numbers("mean", mean), three_numbers("std", std)
        if precision not in get_args(Precision):
            raise ModelError(f"{name}: precision {precision!r}: choose from {', '.join(get_args(Precision))}")
        self.net = net.eval().to(device)
        self.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.dtype = autocast_type(precision, device)
        self.fixed, self.multiple = fixed, check_multiple(name, multiple)
        self._folded: dict[torch.dtype, nn.Module] = {}  # what runs instead of ``net``, once it is asked for
        self.follow_cost = follow_cost_of(getattr(net, "follow_cost", None), name)
        if self.follow_cost is not None and not callable(getattr(net, "follow", None)):
            raise ModelError(f"{name}: has follow_cost and no follow(x, carried, match); give both or neither")
        self._mean = torch.tensor(self.mean, device=device).view(3, 1, 1) * 255
        self._std = torch.tensor(self.std, device=device).view(3, 1, 1) * 255

    def __getstate__(self) -> dict[str, Any]:
        """For other processes: without what can be made anew."""
        return {**self.__dict__, "_folded": {}}

    @torch.inference_mode()
    def __call__(self, images: Pictures) -> Tensor:
        """See ``Model``; float32 scores on the model's device."""
        scores = self._runs(self._running(), images)
        check_channels(self.name, scores.shape[1])
        if scores.shape[1] != len(self.classes) and _is_nhwc(scores.shape, images.shape[1:3], len(self.classes)):
            raise ModelError(f"{self.name}: returned [N, h, w, C]; return [N, C, h, w]: scores.permute(0, 3, 1, 2)")
        if scores.shape[1] < len(self.classes):
            raise ModelError(f"{self.name}: gives {scores.shape[1]} score channels for {len(self.classes)} classes")
        return scores[:, : len(self.classes)].float().contiguous()

    @torch.inference_mode()
    def follow(self, images: Pictures, carried: Tensor, match: Tensor) -> Tensor:
        """See ``Model``; ``net.follow(x, carried, match)`` does it, at ``net.follow_cost``."""
        if self.follow_cost is None:
            return super().follow(images, carried, match)  # type: ignore[arg-type]
        follow = self._running().follow
        scores = self._runs(follow, images, carried.to(self.device), match.to(self.device))  # type: ignore[arg-type]
        return scores.float().contiguous()

    def prepared(self, images: Pictures) -> Tensor:
        """RGB uint8 ``[N, H, W, 3]`` as the network takes it: normalised float32 ``[N, 3, H, W]`` on the device."""
        x = images if isinstance(images, Tensor) else torch.from_numpy(images)
        # Channels-last memory is what [N, H, W, 3] already is: the permutation costs nothing.
        x = x.to(self.device).permute(0, 3, 1, 2).float()
        x = resized(x, rounded_up(x.shape[-2:], self.multiple))
        return x.sub_(self._mean).div_(self._std)

    def _running(self) -> nn.Module:
        """The network as it runs in ``dtype``."""
        if not self.fixed:
            return self.net
        if self.dtype not in self._folded:
            self._folded = {self.dtype: self._made_ready()}
        return self._folded[self.dtype]

    @torch.inference_mode()
    def _made_ready(self) -> nn.Module:
        """Folded; as it is where that changes its scores, since it takes apart itself what is folded."""
        ready = folded(self.net, self.dtype)
        if [*map(type, ready.modules())] == [*map(type, self.net.modules())]:
            return ready
        size = rounded_up(_TRIED, self.multiple)
        x = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(0)).to(self.device)
        try:  # in float32, where nothing but a mistake tells them apart
            plain, quick = (_scores_of(net(x), self.name).float() for net in (self.net, folded(self.net)))
        except Exception:  # of a network that takes another size, or that misses what was folded
            return self.net
        same = plain.shape == quick.shape and (quick - plain).abs().max() <= _APART * plain.abs().max()
        return ready if same else self.net

    def _runs(self, net: Callable[..., Any], images: Pictures, *more: Tensor) -> Tensor:
        """Of a network that is known to keep nothing of a pass, on a CPU, as many side by side as there are threads."""
        threads = torch.get_num_threads()
        alone = len(images) // threads * threads if self.fixed and self.device == "cpu" and threads > 1 else 0
        if alone == 0:
            return self._run(net, images, *more)

        @torch.inference_mode()
        def run(k: int) -> Tensor:
            return self._run(net, images[k : k + 1], *(part[k : k + 1] for part in more))

        scores = side_by_side(run, alone)
        rest = [self._run(net, images[alone:], *(part[alone:] for part in more))] if alone < len(images) else []
        return torch.cat([*scores, *rest])

    def _run(self, net: Callable[..., Any], images: Pictures, *more: Tensor) -> Tensor:
        x = self.prepared(images)
        half = self.dtype != torch.float32
        rows, columns = x.shape[-2:]
        fits = self.multiple > 1 or rows % _COMMON == columns % _COMMON == 0
        with (
            blamed(f"{self.name}, given {len(x)} x {rows}x{columns} pixels", "" if fits else _MULTIPLE, about=_SIZES),
            torch.autocast(torch.device(self.device).type, self.dtype) if half else contextlib.nullcontext(),
        ):
            return _scores_of(net(x, *more), self.name)


def rounded_up(size: Sequence[int], multiple: int) -> tuple[int, int]:
    """The rows and columns of ``size``, or the next multiples. Raises ModelError for a multiple below 1."""
    if multiple < 1:
        raise ModelError(f"multiple = {multiple}: write a whole number of pixels, such as 32")
    return -(-size[0] // multiple) * multiple, -(-size[1] // multiple) * multiple


def resized(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Pictures ``[N, 3, H, W]`` at ``size``, float; themselves if that is theirs."""
    if tuple(x.shape[-2:]) == size:
        return x
    return F.interpolate(x.float(), size, mode="bilinear", align_corners=False, antialias=True)


def _scores_of(output: Any, name: str) -> Tensor:
    """The scores in what a network returns: a tensor, the first of several, or under its usual names."""
    if isinstance(output, dict):
        output = next((output[key] for key in _NAMES if key in output), None)
    elif named := [key for key in _NAMES if hasattr(output, key)]:
        output = getattr(output, named[0])
    elif isinstance(output, list | tuple):
        output = output[0] if output else None
    if not isinstance(output, Tensor) or output.ndim != 4:
        raise ModelError(f"{name}: its output holds no score map [N, C, h, w]; return that, or wrap it in a module")
    if not output.is_floating_point():
        raise ModelError(
            f"{name}: returned {output.dtype}; return scores, a float for each class, and no class numbers"
        )
    return output


def is_channels_last(shape: Sequence[int], size: Sequence[int], as_input: bool = False) -> bool:
    """Is it [N, h, w, C]? Rows and columns shrink the input alike; if that leaves it open, it is as the input is."""
    first = abs(size[0] / shape[2] - size[1] / shape[3]) / (size[0] / shape[2])  # if [N, C, h, w]
    last = abs(size[0] / shape[1] - size[1] / shape[2]) / (size[0] / shape[1])  # if [N, h, w, C]
    return last < first if abs(last - first) > 0.02 else as_input


def _is_nhwc(shape: Sequence[int], size: Sequence[int], classes: int) -> bool:
    """Clearly, by the number of classes or the shape of pictures of ``size``: networks may have channels to spare."""
    shaped_alike = abs(size[0] * shape[2] - size[1] * shape[1]) <= 0.02 * size[0] * shape[2]
    return (shape[3] == classes or shaped_alike) and is_channels_last(shape, size)


def three_numbers(name: str, values: Any) -> tuple[float, float, float]:
    """One number for each of red, green and blue in 0..1; not 0 if it is to be divided by. Raises ModelError."""
    try:
        red, green, blue = (float(v) for v in values)
    except (TypeError, ValueError) as error:
        raise ModelError(f"{name} = {values!r}: write three numbers, for red, green and blue") from error
    if not all(abs(v) <= FARTHEST[name] for v in (red, green, blue)):  # NaN neither
        raise ModelError(f"{name} = {values!r}: is of RGB in 0..1; divide what was meant for 0..255 by 255")
    if name == "std" and not red * green * blue:
        raise ModelError(f"std = {values!r}: must not be 0")
    return red, green, blue


def check_device(device: str) -> str:
    """The device's name. Raises DeviceError if it is unknown or missing: never a silent fallback."""
    try:
        kind = torch.device(device).type
    except RuntimeError as error:
        raise DeviceError(f"{device}: no such device; use cpu or cuda") from error
    if kind not in ("cpu", "cuda"):
        raise DeviceError(f"{device}: taplab runs on cpu and cuda")
    if kind == "cuda" and not torch.cuda.is_available():
        raise DeviceError(
            f"{device}: this torch finds no CUDA device; use --device cpu or install a CUDA build of torch"
        )
    return device


def autocast_type(precision: Precision, device: str) -> torch.dtype:
    """What a network computes in on ``device``."""
    if precision == "auto":
        return torch.bfloat16 if has_fast_bfloat16(device) else torch.float32
    return torch.bfloat16 if precision == "bfloat16" else torch.float32
