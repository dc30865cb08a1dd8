"""Answers the requests of all lanes with batched network calls, one for each size, and counts the work."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from taplab.errors import ModelError
from taplab.models.asked import asked, asked_numbers, check_finite
from taplab.models.base import Model
from taplab.models.rgb import rgb
from taplab.modules.ffw import Carried
from taplab.output_stride import resampled, shares
from taplab.policies.base import Answer, Ask
from taplab.scoremap.gathered import Gathered
from taplab.timing import Stopwatch
from taplab.types import CodedFrame
from taplab.upright import MIRRORED, upright

# Beyond this a larger batch is slower on a CPU, whose caches it leaves: with BL2 on two cores four frames of 360x480 at
# a time gained a fifth over one by one, four of 1024x2048 lost a tenth.
CPU_BATCH_PIXELS = 700_000

_Shape = tuple[int, int, int]  # rows, columns, turns
_Seen = Callable[[list[Ask], int], list[Tensor]]  # asks of one shape, its turns


class Network:
    """The network behind the lanes. ``frames``, ``crops``: the passes so far; ``CodedFrame.seen``: of each frame.

    ``borrowed``: pixels it saw of frames that another process goes on with.

    It sees pictures upright; its scores are turned back, to lie on the frames as they are coded.

    exact: scores, or class numbers, are given as the network gave them, however fine; else scores for carrying, see
    ``resampled``.
    """

    def __init__(self, model: Model, stopwatch: Stopwatch, *, exact: bool = False) -> None:
        self.model, self.stopwatch, self.exact = model, stopwatch, exact
        self.frames = self.crops = self.borrowed = 0
        self._cells: dict[tuple[int, int], tuple[int, ...]] = {}  # size of pictures -> of their score maps
        self._known: dict[int, tuple[Tensor, int]] = {}  # by coded index: scores, and how often they will be asked for

    def __call__(self, asks: list[Ask]) -> list[Tensor]:
        """Scores ``[C, h, w]`` for each request, or class numbers ``[h, w]``, see ``exact``."""
        replies: dict[int, Tensor] = {}
        batches: dict[tuple[_Seen, _Shape], list[int]] = defaultdict(list)  # -> positions in asks
        for k, ask in enumerate(asks):
            if _is_whole(ask) and ask.frame.index in self._known:
                replies[k], times = self._known.pop(ask.frame.index)
                self._know(ask.frame, replies[k], times - 1)
            else:
                batches[self._pass if ask.carried is None else self._glance, _shape(ask)].append(k)
        for (seen, (height, width, turns)), positions in batches.items():
            most = len(positions) if self.model.device != "cpu" else max(CPU_BATCH_PIXELS // (height * width), 1)
            for first in range(0, len(positions), most):
                batch = positions[first : first + most]
                for k, scores in zip(batch, seen([asks[k] for k in batch], turns), strict=True):
                    replies[k] = scores
                    if _is_whole(asks[k]):
                        self._know(asks[k].frame, scores, int(asks[k].frame.shared))
        return [replies[k] for k in range(len(asks))]

    def see(self, frames: Iterable[CodedFrame]) -> None:
        """Frames that lanes are going to ask for, all at once: the larger a batch, the less each of it takes."""
        new = {frame.index: frame for frame in frames if frame.index not in self._known}
        for frame, scores in zip(new.values(), self([Ask(frame) for frame in new.values()]), strict=True):
            self._know(frame, scores, 1 + frame.shared)

    def _know(self, frame: CodedFrame, scores: Tensor, times: int) -> None:
        if times:
            self._known[frame.index] = scores, times

    def followed(self, answers: Iterable[Answer], batch: int) -> Iterator[Answer]:
        """Those between key frames after a glance at them (``Model.follow``), ``batch`` at a time; in any order.

        Answers of the network itself, or of FFW alone, are given as they are.
        """
        waiting: list[Ask] = []
        for answer in answers:
            if answer.origin == "network" or not isinstance(answer.carried, Gathered):
                yield answer
                continue
            ask = Ask(answer.frame, carried=answer.carried)
            if waiting and _shape(ask) != _shape(waiting[0]):
                yield from self._answers(waiting)
                waiting = []
            waiting.append(ask)
            if len(waiting) == batch:
                yield from self._answers(waiting)
                waiting = []
        if waiting:
            yield from self._answers(waiting)

    def _answers(self, asks: list[Ask]) -> Iterator[Answer]:
        """After glances at frames of one shape."""
        for ask, scores in zip(asks, self._glance(asks, asks[0].frame.turns), strict=True):
            yield Answer(ask.frame, Carried(scores), "followed")

    def _glance(self, asks: list[Ask], turns: int) -> list[Tensor]:
        said = [ask.carried for ask in asks if ask.carried is not None]
        carried, match = torch.stack([one.scores for one in said]), torch.stack([one.match for one in said])
        with self.stopwatch("network"):
            images = self._pictures(asks, turns)
            carried, match = _turned(carried, turns), _turned(match, turns)
            scores = asked(self.model, self.model.follow, images, carried, match[:, None]).clone()  # see _scores_of
            check_finite(self.model, scores)
            scores = _turned_back(scores, turns)
        for ask in asks:
            ask.frame.seen += self.model.follow_cost or 0
        return list(scores)

    def _pass(self, asks: list[Ask], turns: int) -> list[Tensor]:
        with self.stopwatch("network"):
            images = self._pictures(asks, turns)
            scores = self._scores_of(images)
            check_finite(self.model, scores)
            scores = _turned_back(scores, turns)
        for ask in asks:
            box = ask.region or ask.frame
            ask.frame.seen += box.height * box.width / (ask.frame.height * ask.frame.width)
            self.borrowed += box.height * box.width * ask.frame.elsewhere
        crops = sum(ask.region is not None for ask in asks)
        self.crops += crops
        self.frames += len(asks) - crops
        return list(scores)

    def _pictures(self, asks: list[Ask], turns: int) -> Any:
        """Upright, RGB uint8 ``[N, H, W, 3]``, where the model wants them, see ``Model.takes_tensors``."""
        if not self.model.takes_tensors:
            return np.stack([upright(ask.frame.rgb(ask.region), turns) for ask in asks])
        device = torch.device(self.model.device)
        return torch.stack([_turned(rgb(ask.frame, ask.region, device), turns, (0, 1)) for ask in asks])

    def _scores_of(self, images: Any) -> Tensor:
        """In memory of their own: a model may write what it says next over what it said."""
        size = images.shape[1], images.shape[2]
        if self.model.gives_numbers and self.model.follow_cost is None:
            numbers = asked_numbers(self.model, images)
            self._check_size(numbers, size)
            return numbers.clone() if self.exact else shares(numbers, len(self.model.classes), size)
        scores = asked(self.model, self.model, images)
        self._check_size(scores, size)
        cells = scores if self.exact else resampled(scores, size)
        return scores.clone() if cells is scores else cells

    def _check_size(self, scores: Tensor, size: tuple[int, int]) -> None:
        """Kernels take for granted that what they bring together is of one size. Raises ModelError."""
        first, now = self._cells.setdefault(size, tuple(scores.shape[-2:])), tuple(scores.shape[-2:])
        if now != first:
            raise ModelError(
                f"{self.model.name}: for pictures of {size[0]}x{size[1]} it gave score maps of {first[0]}x{first[1]}, "
                f"now of {now[0]}x{now[1]}; give one size always"
            )


def _shape(ask: Ask) -> _Shape:
    box = ask.region or ask.frame
    return box.height, box.width, ask.frame.turns


def _is_whole(ask: Ask) -> bool:
    """It is for the scores of a key frame."""
    return ask.region is None and ask.carried is None


def _turned(stored: Tensor, turns: int, axes: tuple[int, int] = (-2, -1)) -> Tensor:
    """``upright`` for tensors."""
    turned = stored.rot90(turns % MIRRORED, axes) if turns % MIRRORED else stored
    return turned.flip(axes[1]) if turns >= MIRRORED else turned


def _turned_back(scores: Tensor, turns: int) -> Tensor:
    scores = scores.flip(-1) if turns >= MIRRORED else scores
    return scores.rot90(-turns % MIRRORED, (-2, -1)) if turns % MIRRORED else scores
