r"""``cells``, ``matching`` and ``gathering`` in torch operations, for scores on a GPU.

The same formulas, on whole maps instead of cell by cell, with pictures and scores channels first. Everything runs on
the device of what it is given, the CPU included, which is how it is tested against the compiled kernels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from taplab.modules.cells import ABSENT, STRANGE, CellPicture, Displacement
from taplab.modules.gathered import Gathered
from taplab.modules.gathering import SPREAD
from taplab.modules.matching import FAR, MOVE_COST
from taplab.types import IGNORE

PASSES = 2  # over the map: what one cell found reaches its neighbours with the next
_STEPS = tuple((dx, dy) for step in FAR for dx, dy in ((0, step), (0, -step), (step, 0), (-step, 0)))
_HALVES = ((0.0, 0.5), (0.0, -0.5), (0.5, 0.0), (-0.5, 0.0))
_AROUND = tuple((float(dx), float(dy)) for dy in (-1, 0, 1) for dx in (-1, 0, 1))


@dataclass(frozen=True, eq=False)
class KeyCells:
    """What is kept of a key frame on the device.

    scores: ``[C + 1, h, w]``, probabilities times presence, and the presence. picture: ``[3, h, w]``, mean Y, U, V.
    calm: ``[h, w]``, see ``calm``.
    """

    scores: Tensor
    picture: Tensor
    calm: Tensor


class GatheredOnDevice(Gathered):
    """See ``Gathered``; scores and match stay on the device, and labels take all of them."""

    def __init__(self, work: Callable[[], tuple[Tensor, Tensor]]) -> None:
        self._all: Callable[[], tuple[Tensor, Tensor]] | None = work

    @cached_property
    def _found(self) -> tuple[Tensor, Tensor]:
        assert self._all is not None
        found = self._all()
        self._all = None  # lets go of the key frames
        return found

    @property
    def present(self) -> Tensor:
        """As key frames keep them: ``[C + 1, h, w]``."""
        return self._found[0]

    @property
    def scores(self) -> Tensor:
        """Probabilities ``[C, h, w]``."""
        return self._found[0][:-1]

    @property
    def match(self) -> Tensor:
        """``[h, w]`` in 0..1: how well the pictures match."""
        return self._found[1]

    def for_labels(self, size: tuple[int, int]) -> Tensor:
        """The scores: on a GPU the plain way is the fast one."""
        return self.scores


def gathered(picture: CellPicture, sides: Sequence[tuple[KeyCells, Displacement | None, float]]) -> GatheredOnDevice:
    """The scores of some key frames, each with the way to it and its share, weighed by how well they match.

    picture: of the frame, ``[h, w, 4]``. A way is None from the key frame itself, where there is nothing to refine.
    """

    def work() -> tuple[Tensor, Tensor]:
        device = sides[0][0].scores.device
        now = uploaded(picture, device)
        ways = [now.new_zeros((2, *now.shape[1:])) if way is None else uploaded(way, device) for _, way, _ in sides]
        placed = list(zip(sides, ways, strict=True))
        active = settled(now, [(key.calm, key.picture, way) for (key, _, _), way in placed]) == IGNORE
        refined = [way if known is None else refine(now, key.picture, way, active) for (key, known, _), way in placed]
        return gather(
            now,
            [(key.scores, key.picture, way, share) for (key, _, share), way in zip(sides, refined, strict=True)],
            active,
        )

    return GatheredOnDevice(work)


def key_cells(scores: Tensor, presence: Tensor | None, picture: CellPicture) -> KeyCells:
    """Of the network's scores ``[C, h, w]``, the presence ``[h, w]`` of a region, and the colours ``[h, w, 4]``."""
    mask = torch.ones(scores.shape[1:]) if presence is None else presence
    mask = mask.to(scores.device)
    present = torch.cat([scores.softmax(0).float() * mask, mask[None]])
    best = torch.where(mask > 0, scores.argmax(0), ABSENT)
    return KeyCells(present, uploaded(picture, scores.device), calm(best))


def uploaded(array: CellPicture | Displacement, device: torch.device) -> Tensor:
    """Channels first, without the fourth of a picture's; copied while the device works."""
    planes = torch.from_numpy(array)[..., :3].permute(2, 0, 1).contiguous()
    return planes.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else planes


def refine(now: Tensor, key: Tensor, displacement: Tensor, active: Tensor) -> Tensor:
    """See ``matching.refine``; all cells at once, so offers come from the pass before.

    now, key: ``[3, h, w]``. displacement: ``[2, h, w]``. active: bool ``[h, w]``.
    """
    here = _grid(now)
    best, least = displacement, _difference(now, key, (here + displacement)[None])[0]
    for _ in range(PASSES):
        offers = torch.stack([_shifted(best, dx, dy) for dx, dy in _STEPS])
        best, least = _take_over(now, key, here, offers, best, least)
    halves = torch.stack([best + best.new_tensor(half)[:, None, None] for half in _HALVES])
    best, _ = _take_over(now, key, here, halves, best, least)
    return torch.where(active, best, displacement)


def _take_over(
    now: Tensor, key: Tensor, here: Tensor, offers: Tensor, best: Tensor, least: Tensor
) -> tuple[Tensor, Tensor]:
    """The best of the offers ``[N, 2, h, w]`` where it matches enough better."""
    found, which = _difference(now, key, here + offers).min(0)
    offered = offers.gather(0, which.expand(1, 2, *which.shape))[0]
    better = found + MOVE_COST < least
    return torch.where(better, offered, best), torch.where(better, found + MOVE_COST, least)


def gather(now: Tensor, sides: Sequence[tuple[Tensor, Tensor, Tensor, float]], active: Tensor) -> tuple[Tensor, Tensor]:
    """See ``gathering.gather``: scores ``[C + 1, h, w]``, the presence last, and match ``[h, w]``.

    A side: scores ``[C + 1, h, w]``, picture ``[3, h, w]``, displacement ``[2, h, w]`` and share.
    """
    here = _grid(now)
    total, most = torch.zeros_like(sides[0][0]), torch.zeros_like(active, dtype=torch.float32)
    for scores, key, way, share in sides:
        nearest = _sample(scores, (here + way)[None], "nearest")[0]
        around = here + way + torch.stack([way.new_tensor(step)[:, None, None] for step in _AROUND])
        weights = torch.exp(-_difference(now, key, around) / SPREAD) + 1e-9
        weighed = torch.zeros_like(scores)
        for weight, place in zip(weights, around, strict=True):  # one after another: nine maps of all classes are large
            weighed += weight * _sample(scores, place[None], "bilinear")[0]
        spoken = nearest[-1] > 0
        total += share * spoken * torch.where(active, weighed, nearest)
        most += share * nearest[-1] * torch.where(active, 9.0, 1.0)
    return total / total[-1], (total[-1] / most).clamp(max=1)


def calm(best: Tensor) -> Tensor:
    """See ``cells.calm``: of the best classes ``[h, w]``, ABSENT among them."""
    padded = F.pad(best[None, None].float(), (1, 1, 1, 1), mode="replicate")
    most, least = F.max_pool2d(padded, 3, 1)[0, 0], -F.max_pool2d(-padded, 3, 1)[0, 0]
    return torch.where((most == least) | (best == ABSENT), best, IGNORE)


def settled(now: Tensor, sides: Sequence[tuple[Tensor, Tensor, Tensor]]) -> Tensor:
    """See ``cells.settled``. A side: calm classes ``[h, w]``, picture and displacement, channels first."""
    here = _grid(now)
    out, *others = (_follow(now, classes, key, here + way) for classes, key, way in sides)
    for found in others:
        out = torch.where((found == out) | (found == ABSENT), out, IGNORE)
    return out


def _follow(now: Tensor, classes: Tensor, key: Tensor, place: Tensor) -> Tensor:
    """The class where each cell comes from; IGNORE if it looks different there."""
    there = _sample(torch.cat([classes[None].float(), key]), place[None], "nearest")[0]
    strange = ((there[1:] - now).abs().sum(0) > STRANGE) & (there[0] != ABSENT)
    return torch.where(strange, IGNORE, there[0].long())


def _grid(picture: Tensor) -> Tensor:
    """(x, y) of every cell, ``[2, h, w]``."""
    h, w = picture.shape[-2:]
    y, x = torch.meshgrid(
        torch.arange(h, device=picture.device, dtype=torch.float32),
        torch.arange(w, device=picture.device, dtype=torch.float32),
        indexing="ij",
    )
    return torch.stack([x, y])


def _difference(now: Tensor, key: Tensor, places: Tensor) -> Tensor:
    """Sum over Y, U, V of the difference with the key frame's picture at places ``[N, 2, h, w]``; ``[N, h, w]``."""
    return (_sample(key, places, "bilinear") - now).abs().sum(1)


def _sample(values: Tensor, places: Tensor, mode: str) -> Tensor:
    """Values ``[C, h, w]`` at places (x, y) ``[N, 2, h, w]`` in cells; borders replicate. ``[N, C, h, w]``."""
    h, w = values.shape[-2:]
    # grid_sample counts from -1 at the centre of the first cell to 1 at that of the last one.
    scale = places.new_tensor([2 / max(w - 1, 1), 2 / max(h - 1, 1)])
    where = places.permute(0, 2, 3, 1) * scale - 1
    return F.grid_sample(
        values.expand(len(places), *values.shape), where, mode=mode, padding_mode="border", align_corners=True
    )


def _shifted(displacement: Tensor, dx: int, dy: int) -> Tensor:
    """That of the cell (dx, dy) away; at the border a cell's own."""
    h, w = displacement.shape[-2:]
    x = torch.arange(w, device=displacement.device)
    y = torch.arange(h, device=displacement.device)
    x = torch.where((x + dx < 0) | (x + dx >= w), x, x + dx)
    y = torch.where((y + dy < 0) | (y + dy >= h), y, y + dy)
    return displacement[:, y][:, :, x]
