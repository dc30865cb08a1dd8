"""Without looking ahead: every frame is answered as soon as it is decoded, from the last two key frames.

What a key frame says is not taken alone: the scores of the key frames before it are brought to it and gathered with its
own, so that what the network sees once is not forgotten with the next key frame, and errors of single frames fade. As
everywhere, what does not match the picture does not count.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch

from taplab.errors import SettingError
from taplab.policies.base import Answer, Ask, Policy, Steps
from taplab.policies.keyed import HISTORY, Key, Side, along, estimated, gathered
from taplab.policies.paper import Paper, PaperSettings
from taplab.types import REFERENCES_KEPT, CodedFrame

Due = Callable[[CodedFrame, Sequence[Side]], bool]  # called once for every frame, with the ways to the key frames

KEYS_KEPT = 2


class Live(Policy):
    """Forward from the last key frames, weighed by how well the pictures match, and by 1 / distance in frames.

    due: decides on every frame, before the network runs; the key frames of ``Paper`` if there is none.
    """

    name = "live"
    endless = True

    def __init__(self, settings: PaperSettings, due: Due | None = None) -> None:
        if "rgc" in settings.modules:
            raise SettingError("mode live has no rgc: leave it out of the modules, or use mode paper")
        self.settings = settings
        self.interval, self.modules = settings.interval, settings.modules
        self.uses_residual = "rgfs" in settings.modules
        self._keys, self._due = Paper(settings), due
        # Frames come one by one, so only their parts can share the cores.
        self._mapped = ThreadPoolExecutor(2, "taplab-live").map if torch.get_num_threads() > 1 else map

    def run(self, frames: Iterable[CodedFrame]) -> Steps:
        """All frames of a stream, in coded order."""
        known = _Known()
        for frame in frames:
            sides = [] if frame.damaged else list(known.ways(frame))
            if not self._is_due(frame, sides):
                shares = [1 / max(abs(frame.display - side.key.frame.display), 1) for side in sides]
                yield Answer(frame, gathered(frame, list(zip(sides, shares, strict=True)), self._mapped), "fused")
            else:
                key = Key(frame, (yield Ask(frame)))
                own = Side(frame.display, key)
                history = [side for side in sides or known.estimate(frame) if side.key.cells == key.cells]
                key.gather([(side, HISTORY ** (k + 1)) for k, side in enumerate(history)], self._mapped)
                yield Answer(frame, key.answer, "network")
                sides = [own, *history]
            known.add(frame, sides)

    def _is_due(self, frame: CodedFrame, sides: list[Side]) -> bool:
        """Is it a key frame? Without sides there is no choice."""
        if self._due is not None:
            return self._due(frame, sides)
        return not sides or self._keys.is_key(frame)


class _Known:
    """The ways from the newest reference frames to the newest key frames."""

    def __init__(self) -> None:
        self.keys: list[Key] = []  # newest first
        self.sides: dict[int, list[Side]] = {}  # by coded index
        self.last: CodedFrame | None = None
        self.last_sides: list[Side] = []

    def ways(self, frame: CodedFrame) -> Iterator[Side]:
        """Along the stream's own vectors, to each key frame that they lead to."""
        for key in self.keys:
            there = {index: side for index, sides in self.sides.items() for side in sides if side.key is key}
            side = along(frame, there, before=True) or along(frame, there, before=False)
            if side is not None:
                yield side

    def estimate(self, frame: CodedFrame) -> list[Side]:
        """By way of the frame before, where the stream has no vectors; never from or into damage, or a scene."""
        last = self.last
        if last is None or last.damaged or frame.damaged or last.scene != frame.scene:
            return []
        if (last.height, last.width) != (frame.height, frame.width):
            return []
        field = estimated(frame, last)
        return [side.before(frame, field) for side in self.last_sides]

    def add(self, frame: CodedFrame, sides: list[Side]) -> None:
        """Takes in a frame that was answered; forgets what is too old."""
        if sides[0].key not in self.keys:
            self.keys = [sides[0].key, *self.keys][:KEYS_KEPT]
        self.last, self.last_sides = frame, [side for side in sides if side.key in self.keys]
        if frame.is_reference:
            self.sides[frame.index] = self.last_sides
            while len(self.sides) > REFERENCES_KEPT:
                del self.sides[min(self.sides)]
