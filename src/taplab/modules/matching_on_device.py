r"""``matching`` in torch operations, for scores on a GPU: the same formulas, on whole maps instead of cell by cell.

Pictures and scores are channels first here. Every function runs on the device of what it is given, the CPU included,
which is how it is tested against ``matching``.
"""

from collections.abc import Sequence

import av
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from taplab.modules.matching import ABSENT, MOVE_COST, SPREAD, STRANGE
from taplab.types import Plane
from taplab.video.planes import yuv_planes

PASSES = 2  # over the map: what one cell found reaches its neighbours with the next
_STEPS = tuple((dx, dy) for step in (1, 2, 4, 8) for dx, dy in ((0, step), (0, -step), (step, 0), (-step, 0)))
_HALVES = ((0.0, 0.5), (0.0, -0.5), (0.5, 0.0), (-0.5, 0.0))
_AROUND = tuple((float(dx), float(dy)) for dy in (-1, 0, 1) for dx in (-1, 0, 1))


def cell_picture(picture: av.VideoFrame, cells: tuple[int, int], device: torch.device) -> Tensor:
    """The mean colour of each score cell, ``[3, h, w]``. The planes are copied while the device works."""
    means = [F.adaptive_avg_pool2d(_uploaded(plane, device)[None].float(), cells)[0] for plane in yuv_planes(picture)]
    return torch.stack(means)


def _uploaded(plane: Plane, device: torch.device) -> Tensor:
    whole = torch.from_numpy(np.array(plane))  # a decoder's planes are read-only, and its own
    return whole.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else whole


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
    """See ``matching.gather``: scores ``[C + 1, h, w]``, the presence last, and match ``[h, w]``.

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


def calm(scores: Tensor) -> Tensor:
    """See ``matching.calm``: of scores ``[C + 1, h, w]``, int16 ``[h, w]``."""
    best = scores[:-1].argmax(0).float()
    best = torch.where(scores[-1] == 0, float(ABSENT), best)
    padded = F.pad(best[None, None], (1, 1, 1, 1), mode="replicate")
    most, least = F.max_pool2d(padded, 3, 1)[0, 0], -F.max_pool2d(-padded, 3, 1)[0, 0]
    return torch.where((most == least) | (best == ABSENT), best, -1.0).short()


def unsettled(now: Tensor, sides: Sequence[tuple[Tensor, Tensor, Tensor]]) -> Tensor:
    """See ``matching.unsettled``. A side: calm classes ``[h, w]``, picture and displacement, channels first."""
    here = _grid(now)
    found = [_follow(now, classes, key, here + way) for classes, key, way in sides]
    out = found[0] < 0
    for other in found[1:]:
        out = out | ((other != found[0]) & (other != ABSENT))
    return out


def _follow(now: Tensor, classes: Tensor, key: Tensor, place: Tensor) -> Tensor:
    """The class where each cell comes from; -1 if it looks different there."""
    both = torch.cat([classes[None].float(), key])
    there = _sample(both, place[None], "nearest")[0]
    strange = (there[1:] - now).abs().sum(0) > STRANGE
    return torch.where(strange & (there[0] != ABSENT), -1.0, there[0]).short()


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
