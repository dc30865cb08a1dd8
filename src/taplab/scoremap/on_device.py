"""``cells``, ``matching``, ``gathering`` and ``ffw.compose`` for scores on a GPU, by the kernels of ``device_kernels``.

Nothing comes back to the processor but labels. All is queued on the device's one stream, so that what a thread launches
later finds what others launched before.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any

import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from taplab.once import Once
from taplab.scoremap import cells
from taplab.scoremap.cells import ABSENT, STRANGE
from taplab.scoremap.gathered import Gathered
from taplab.scoremap.gathering import SPREAD
from taplab.scoremap.matching import ENOUGH, MOVE_COST
from taplab.scoremap.upload import uploaded
from taplab.types import IGNORE, MOTION_BLOCK, CodedFrame
from taplab.video.planes import yuv_planes

PASSES = 3  # over the map: what one cell found reaches its neighbours with the next
_CELLS = 128  # that a program takes; of the scores as many as fit into registers
_NUMBERS = 2048


@dataclass(frozen=True, eq=False)
class KeyCells:
    """What is kept of a key frame on the device.

    scores: ``[h, w, L]``, probabilities times presence, and the presence behind them (``cells.padded``). picture:
    ``[h, w, 4]``, mean Y, U, V. calm: uint8 ``[h, w]``, see ``calm``.
    """

    scores: Tensor
    picture: Tensor
    calm: Tensor


Way = tuple[KeyCells, Tensor | None, float]  # a key frame, the displacement to it, and its share


class GatheredOnDevice(Gathered):
    """See ``Gathered``; scores and match stay on the device, and labels take all of them."""

    def __init__(self, work: Callable[[], tuple[Tensor, Tensor]], classes: int) -> None:
        self._found = Once(work)
        self.classes = classes

    @property
    def present(self) -> Tensor:
        """As key frames keep them: ``[h, w, L]``."""
        return self._found.value[0]

    @property
    def scores(self) -> Tensor:
        """Probabilities ``[C, h, w]``."""
        return self.present[..., : self.classes].permute(2, 0, 1)

    @property
    def match(self) -> Tensor:
        """``[h, w]`` in 0..1: how well the pictures match."""
        return self._found.value[1]

    def for_labels(self, size: tuple[int, int]) -> Tensor:
        """The scores: on a GPU the plain way is the fast one."""
        return self.scores


def takes(scores: Tensor) -> bool:
    """Are scores on a device that these kernels run on? Where not, they are brought to the processor."""
    return scores.is_cuda and has_triton()


@cache
def has_triton() -> bool:
    """Is what the kernels are written in installed?"""
    return find_spec("triton") is not None


def gathered(frame: CodedFrame, sides: Callable[[], Sequence[Way]], classes: int) -> GatheredOnDevice:
    """The scores of some key frames, weighed by how well they match. A way is None from the key frame itself."""

    def work() -> tuple[Tensor, Tensor]:
        ways = sides()
        first = ways[0][0].picture
        now = colours(frame, (first.shape[0], first.shape[1]), first.device)
        frame.colours = None
        still = now.new_zeros((*now.shape[:2], 2))
        placed = [(key, still if way is None else way, share) for key, way, share in ways]
        return gather(now, placed, classes, settled(now, placed))

    return GatheredOnDevice(work, classes)


def key_cells(scores: Tensor, presence: Tensor | None, picture: Tensor) -> KeyCells:
    """Of the network's scores ``[C, h, w]``, the presence ``[h, w]`` of a region, and the colours ``[h, w, 4]``."""
    classes, rows, columns = scores.shape
    mask = scores.new_ones((rows, columns)) if presence is None else presence.to(scores.device)
    present = scores.new_zeros((rows, columns, cells.lanes(classes)), dtype=torch.float32)
    present[..., :classes] = (scores.float().softmax(0) * mask).permute(1, 2, 0)
    present[..., classes] = mask
    best = torch.where(mask > 0, scores.argmax(0), ABSENT)
    return KeyCells(present, picture, calm(best))


def colours(frame: CodedFrame, size: tuple[int, int], device: torch.device) -> Tensor:
    """``cells.cell_picture`` on the device, kept until somebody sets ``frame.colours`` to None."""
    found = frame.colours
    if not isinstance(found, Tensor) or tuple(found.shape[:2]) != size:
        found = torch.zeros((*size, 4), device=device)
        planes = yuv_planes(frame.picture)
        there = uploaded(planes, device)
        shapes = planes[0].shape, planes[1].shape  # both of colour have one
        (down, across), (half_down, half_across) = ((-(-h // size[0]), -(-w // size[1])) for h, w in shapes)
        _launch(
            "average", found, there, found, *size, *shapes[0], *shapes[1], planes=3,
            DOWN=down, ACROSS=across, HALF_DOWN=half_down, HALF_ACROSS=half_across,
        )  # fmt: skip
        frame.colours = found
    return found


def composed(
    vectors: NDArray[Any], before: Tensor | None, cells: tuple[int, int], size: tuple[int, int], device: torch.device
) -> Tensor:
    """See ``ffw.compose``: vectors of blocks, on the processor, and the reference's displacement, on the device."""
    out = torch.empty((*cells, 2), device=device)
    scale = cells[0] / size[0], cells[1] / size[1]  # cells a pixel
    moved = before is not None
    _launch(
        "compose", out, uploaded([vectors], device), before if moved else out, out, *cells, vectors.shape[1],
        *(1 / (s * MOTION_BLOCK) for s in scale), *scale, MOVED=moved,
    )  # fmt: skip
    return out


def corrected(now: Tensor, key: KeyCells, way: Tensor, doubt: float) -> Tensor:
    """See ``matching.refine``, where it does not lead well inside a class, or to colours further away than ``doubt``.

    Changes ``way``. All cells at once, so that offers come from the pass before.
    """
    rows, columns = way.shape[:2]
    other = torch.empty_like(way)
    for k in range(PASSES):
        _launch(
            "correct", way, now, key.calm, key.picture, way, other, rows, columns,
            doubt, max(ENOUGH, MOVE_COST), MOVE_COST, HALVES=k == PASSES - 1,
        )  # fmt: skip
        way, other = other, way
    return way


def settled(now: Tensor, sides: Sequence[tuple[KeyCells, Tensor, float]], strange: float = STRANGE) -> Tensor:
    """See ``cells.settled``; uint8 ``[h, w]``."""
    out = torch.empty(now.shape[:2], dtype=torch.uint8, device=now.device)
    for k, (key, way, _) in enumerate(sides):
        _launch("settle", way, now, key.calm, key.picture, way, out, *out.shape, strange, FIRST=k == 0)
    return out


def gather(
    now: Tensor, sides: Sequence[tuple[KeyCells, Tensor, float]], classes: int, settled: Tensor
) -> tuple[Tensor, Tensor]:
    """See ``gathering.gather``: scores ``[h, w, L]``, the presence behind them, and match ``[h, w]``."""
    rows, columns, lanes = sides[0][0].scores.shape
    out, match, spoken = (
        torch.empty_like(sides[0][0].scores),
        torch.empty_like(now[..., 0]),
        torch.empty_like(now[..., 0]),
    )
    width = 1 << (lanes - 1).bit_length()
    for k, (key, way, share) in enumerate(sides):
        _launch(
            "gather", way, now, key.scores, key.picture, way, settled, out, match, spoken, rows, columns, lanes,
            classes, share, SPREAD, block=max(min(_NUMBERS // width, _CELLS), 1),
            FIRST=k == 0, LAST=k == len(sides) - 1, LANES=width,
        )  # fmt: skip
    return out, match


def labels(scores: Tensor, size: tuple[int, int]) -> Tensor:
    """Argmax of scores ``[C, h, w]`` upsampled bilinearly to ``size``, see ``labels``: uint8 ``[H, W]``."""
    out = torch.empty(size, dtype=torch.uint8, device=scores.device)
    classes, rows, columns = scores.shape
    _launch("label", out, scores, out, rows, columns, *size, *scores.stride(), CLASSES=classes)
    return out


def calm(best: Tensor) -> Tensor:
    """See ``cells.calm``: of the best classes ``[h, w]``, ABSENT among them; uint8."""
    padded = F.pad(best[None, None].float(), (1, 1, 1, 1), mode="replicate")
    most, least = F.max_pool2d(padded, 3, 1)[0, 0], -F.max_pool2d(-padded, 3, 1)[0, 0]
    return torch.where((most == least) | (best == ABSENT), best, IGNORE).to(torch.uint8)


def _launch(name: str, cells: Tensor, *arguments: Any, block: int = 0, planes: int = 1, **constants: Any) -> None:
    """Runs a kernel for all cells, or pixels, of a map ``[h, w, ...]``, of each plane, on its device."""
    from taplab.scoremap import device_kernels  # imports triton

    block = block or _CELLS
    programs = -(-(cells.shape[0] * cells.shape[1]) // block)
    with torch.cuda.device_of(cells):  # type: ignore[no-untyped-call]
        getattr(device_kernels, name)[programs, planes](*arguments, BLOCK=block, **constants)
