"""A network in a file, whatever runs it: what ``OnnxModel`` and ``OpenVinoModel`` share."""

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from taplab.errors import ModelError
from taplab.models.base import Model, check_classes, check_multiple, check_palette, names_of
from taplab.models.file_settings import said_in, settings_beside
from taplab.models.graph_output import GraphOutput
from taplab.models.session import Session, listed
from taplab.models.torch import IMAGENET_MEAN, IMAGENET_STD, is_channels_last, resized, rounded_up, three_numbers
from taplab.palettes import palette_for
from taplab.types import Palette

_ASSUMED = (
    "{name} does not say how its input is normalised: ImageNet's mean and std are assumed. If the masks look wrong, "
    "write mean and std, and bgr where it wants blue first, into {settings} beside it"
)
_CHECKED_INPUT = "expected one image input, float or uint8, [N, 3, H, W] or [N, H, W, 3]"
_MULTIPLE = "if it takes only multiples of some pixels, write them into a TOML file of the same name: multiple = 32"
_SIDES = "only one of its rows and columns is open; export it with both open, or both fixed"
_OUTPUT = 'or, if it is another output than the first, name it in a TOML file of the same name, output = "NAME"'


class GraphModel(Model):
    """A network with one image input, and scores ``[N, C, h, w]`` or ``[N, h, w, C]`` as its first or a named output.

    Float images are normalised; uint8 ones are given as they are, to a network that normalises them itself.
    Two other outputs become scores: class numbers, ``[N, h, w]`` with or without an axis of length 1, if the names of
    the classes are given, and a single map, if a ``threshold`` is given above which the second of two classes begins.

    With a fixed input shape the frame is resized to it, and regions cannot be given to the network: RGC is off
    (``takes_crops`` is False). What the file does not say may stand in a TOML file of the same name
    (``model.onnx``, ``model.toml``): classes, mean, std (of RGB in 0..1), bgr, palette, threshold,
    output (the name of the one that is used, if not the first), multiple (frames are enlarged until rows and columns
    are multiples of it); arguments go before it.
    A network made for warping has its follower in a second file (``model-follow.onnx``).
    Raises ModelError if the file is missing, cannot be read or has another input.
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
        threshold: float | None = None,
        output: str | None = None,
        multiple: int | None = None,
        device: str = "cpu",
    ) -> None:
        path = Path(path)
        self.name, self.device = path.name, device
        self._session = self._open(path)
        self._read_input()
        about = {**said_in(self._session.about, path), **settings_beside(path)}
        self.takes_crops = self.size is None and bool(about.get("takes_crops", True))
        self.bgr = bool(about.get("bgr", False) if bgr is None else bgr)
        if self._dtype.kind == "f" and mean is None and "mean" not in about:
            self.notes = (_ASSUMED.format(name=self.name, settings=path.with_suffix(".toml").name),)
        mean = three_numbers("mean", about.get("mean", IMAGENET_MEAN) if mean is None else mean)
        std = three_numbers("std", about.get("std", IMAGENET_STD) if std is None else std)
        self._mean, self._std = (torch.tensor(v[:: -1 if self.bgr else 1]).view(3, 1, 1) * 255 for v in (mean, std))
        names = about.get("classes") if classes is None else names_of(self.name, classes)
        self._multiple = check_multiple(self.name, about.get("multiple", 1) if multiple is None else multiple)
        threshold = about.get("threshold") if threshold is None else threshold
        axis = 3 if self._channels_last else 1
        self._named = about.get("output") if output is None else output
        self._wanted = self._place_of(self._named)
        self._output = GraphOutput(self.name, None if names is None else len(names), threshold, axis)
        channels = self._probe(len(names) if names else None)
        self.classes = tuple(names) if names else tuple(f"class {i}" for i in range(channels))
        colours = about.get("palette") if palette is None else palette
        self.palette = palette_for(channels) if colours is None else check_palette(self.name, colours, channels)
        self.follow_cost = about.get("follow_cost")
        self._follower = None if self.follow_cost is None else self._open(_its_follower(path))

    @abstractmethod
    def _open(self, path: Path) -> Session:
        """Raises ModelError, MissingExtraError, DeviceError."""

    def __call__(self, images: NDArray[np.uint8]) -> Tensor:
        """See ``Model``."""
        scores = self._output.scores(self._given_for(images))
        return torch.from_numpy(scores.transpose(0, 3, 1, 2) if self._scores_last else scores)

    def numbers(self, images: NDArray[np.uint8]) -> Tensor:
        """See ``Model``."""
        return torch.from_numpy(self._output.numbers(self._given_for(images)))

    def follow(self, images: NDArray[np.uint8], carried: Tensor, match: Tensor) -> Tensor:
        """See ``Model``; the follower's file does it."""
        if self._follower is None:
            return super().follow(images, carried, match)
        x, told = self._prepare(images), (carried.float().cpu().numpy(), match.float().cpu().numpy())
        return torch.from_numpy(self._output.scores(self._run(self._follower, 0, x, *told)))

    def _given_for(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """The output as it is: one call of the session, or full batches where their size is fixed."""
        x = self._prepare(images)
        step = self._batch or len(x)
        x = np.concatenate([x, np.repeat(x[-1:], -len(x) % step, axis=0)]) if len(x) % step else x
        parts = [self._run(self._session, self._wanted, x[i : i + step]) for i in range(0, len(x), step)]
        return (parts[0] if len(parts) == 1 else np.concatenate(parts))[: len(images)]

    def _prepare(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """Normalised, in the order and type of the input."""
        x = torch.from_numpy(images).permute(0, 3, 1, 2)
        x = resized(x, self.size or rounded_up(images.shape[1:3], self._multiple))
        x = x.flip(1) if self.bgr else x
        x = x.contiguous().float()
        x = x.sub_(self._mean).div_(self._std) if self._dtype.kind == "f" else x.round_()
        x = x.permute(0, 2, 3, 1).contiguous() if self._channels_last else x
        return x.numpy().astype(self._dtype, copy=False)

    def _run(self, session: Session, output: int, *arrays: NDArray[Any]) -> NDArray[Any]:
        try:
            return np.asarray(session(output, *arrays))
        except Exception as error:  # such libraries raise classes of their own, none of them documented
            told = f"{self.name}: cannot take an input of shape {arrays[0].shape}: {reason(error)}"
            helps = _SIDES if self._half_open else _MULTIPLE
            raise ModelError(told if self.size or self._multiple > 1 else f"{told}; {helps}") from error

    def _place_of(self, output: str | None) -> int:
        """The number of an output; of the first if none is named."""
        names = [slot.name for slot in self._session.outputs]
        if output is not None and output not in names:
            raise ModelError(f"{self.name}: has no output {output!r}; it has {listed(self._session.outputs)}")
        return 0 if output is None else names.index(output)

    def _read_input(self) -> None:
        inputs = self._session.inputs
        if len(inputs) != 1 or len(inputs[0].shape) != 4:
            raise ModelError(f"{self.name}: its inputs are {listed(inputs)}; {_CHECKED_INPUT}")
        first, shape = inputs[0], inputs[0].shape
        if first.type not in ("float32", "float16", "uint8"):
            raise ModelError(f"{self.name}: its input is {first.type}; {_CHECKED_INPUT}")
        self._channels_last = shape[3] == 3 and shape[1] != 3
        if not self._channels_last and shape[1] not in (3, None):
            raise ModelError(f"{self.name}: its input has shape {list(shape)}; {_CHECKED_INPUT}")
        self._dtype, self._batch = np.dtype(first.type), shape[0]
        rows, columns = shape[1:3] if self._channels_last else shape[2:]
        self.size = None if rows is None or columns is None else (rows, columns)
        self._half_open = (rows is None) != (columns is None)

    def _probe(self, expected: int | None) -> int:
        """Runs it once: does it work, and how many classes does it score?"""
        size = self.size or (256, 384)
        output = self._given_for(np.zeros((1, *size, 3), np.uint8))
        self.gives_numbers = self._output.gives_numbers(output)
        try:
            return self._channels(self._output.scores(output), size, expected)
        except ModelError as error:
            if self._named is not None or len(self._session.outputs) == 1:
                raise
            raise ModelError(f"{error}; {_OUTPUT}: it has {listed(self._session.outputs)}") from error

    def _channels(self, scores: NDArray[np.float32], size: tuple[int, int], expected: int | None) -> int:
        shape: tuple[int, ...] = scores.shape
        self._scores_last = is_channels_last(shape, size, self._channels_last)
        channels = shape[3] if self._scores_last else shape[1]
        check_classes(self.name, channels)
        if expected is not None and channels != expected:
            raise ModelError(f"{self.name}: scores {channels} classes, but {expected} class names were given")
        return channels


def follower_beside(path: Path) -> Path:
    """The file of the follower of a network made for warping."""
    return path.with_name(f"{path.stem}-follow{path.suffix}")


def _its_follower(path: Path) -> Path:
    """The same, where it has to be there. Raises ModelError."""
    file = follower_beside(path)
    if not file.is_file():
        raise ModelError(f"{path}: its second file, {file.name}, is not beside it; keep both in one folder")
    return file


def reason(error: Exception) -> str:
    """What a library complains of, in one line: the first that does not merely say where."""
    lines = [line.strip() for line in str(error).splitlines()]
    return next((line for line in lines if line and not line.startswith("Exception from")), type(error).__name__)
