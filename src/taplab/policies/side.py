"""The way from a frame to a key frame: along the stream's motion, step by step, and corrected at each.

A frame hands on what it found: displacements that were corrected by comparing pictures are what those of the frames
predicted from it begin with. So drift is mended while it is small. All this waits for the first look, on whatever
thread looks, beside the network.
"""

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from taplab.modules import ffw
from taplab.scoremap import cells, matching, on_device
from taplab.scoremap.cells import Displacement
from taplab.scoremap.mismatch import grid
from taplab.scoremap.upload import uploaded
from taplab.types import IGNORE, MOTION_BLOCK, CodedFrame, MotionField
from taplab.video.estimate import estimate_motion
from taplab.video.planes import luma_plane

if TYPE_CHECKING:
    from taplab.policies.keyed import Key

DOUBT = 12.0  # grey levels, summed over Y, U and V: beyond this a displacement is corrected also inside a class

Step = tuple[MotionField, "Side"]  # motion from a reference frame, and the way that this one has from there


class Side:
    """The way of ``frame`` to ``key``, by ``steps`` along all its references that lead there; none at the key frame.

    coarse: the displacement on the grid for forecasts (``mismatch.grid``), never corrected; None at the key frame.
    """

    def __init__(self, frame: CodedFrame, key: "Key", steps: Sequence[Step] = ()) -> None:
        self.display, self.key = frame.display, key
        self.coarse: Displacement | None = None
        if steps:
            size = grid((frame.height, frame.width))
            self.coarse = _composed(frame, size, [(field, side.coarse) for field, side in steps])
        self._displacement: Displacement | Tensor | None = None
        self._open: tuple[CodedFrame, Sequence[Step]] | None = (frame, steps) if steps else None
        self._lock = threading.Lock()

    def before(self, frame: CodedFrame, field: MotionField) -> "Side":
        """The way of a frame that moved by ``field`` from the frame whose side this is."""
        return Side(frame, self.key, [(field, self)])

    @property
    def displacement(self) -> Any:
        """From each score cell to the key frame's, ``[h, w, 2]``, corrected; None at the key frame itself.

        A tensor where the key frame's scores are on a GPU, else an array.
        """
        waiting = [self]
        while waiting:  # a long way, and not by recursion
            earlier = waiting[-1]._missing()
            if earlier:
                waiting += earlier
            else:
                waiting.pop()._work_out()
        return self._displacement

    @property
    def way(self) -> Displacement:
        """The displacement on the processor, or zeros."""
        found = self.displacement
        return found if isinstance(found, np.ndarray) else np.zeros((*self.key.cells, 2), np.float32)

    def _missing(self) -> "list[Side]":
        """The sides that this one begins with and that are not worked out."""
        still_open = self._open
        return [] if still_open is None else [side for _, side in still_open[1] if side._open is not None]

    def _work_out(self) -> None:
        with self._lock:
            if self._open is None:
                return
            frame, steps = self._open
            begun: list[tuple[MotionField, Any]] = [(field, side._displacement) for field, side in steps]
            self._displacement = (_corrected if self.key.is_on_cpu else _on_device)(frame, self.key, begun)
            self._open = None  # lets go of the frames before


def _composed(
    frame: CodedFrame, size: tuple[int, int], steps: Sequence[tuple[MotionField, Displacement | None]]
) -> Displacement:
    """By the reference that most of a block was predicted from."""
    pixels = frame.height, frame.width
    way, *others = [ffw.compose(field.vectors, before, size, pixels) for field, before in steps]
    if others:
        most = _most(frame, size, [field for field, _ in steps])
        for k, other in enumerate(others, 1):
            way = np.where((most == k)[..., None], other, way)
    return way


def _most(frame: CodedFrame, size: tuple[int, int], fields: Sequence[MotionField]) -> NDArray[np.uint8]:
    """Which of the fields has the largest share, ``[h, w]``; of equal ones the first."""
    most = np.argmax([field.weight for field in fields], axis=0).astype(np.uint8)
    return ffw.to_cells(most, size, (frame.height, frame.width), MOTION_BLOCK)


def _corrected(frame: CodedFrame, key: "Key", steps: Sequence[tuple[MotionField, Displacement | None]]) -> Displacement:
    """Where it does not lead well inside a class, or to another colour."""
    way = _composed(frame, key.cells, steps)
    now = cells.colours(frame, key.cells)
    sure = cells.settled(now, [(key.calm, key.picture, way)], DOUBT)
    return matching.refine(now, key.picture, way, sure == IGNORE)


def _on_device(frame: CodedFrame, key: "Key", steps: Sequence[tuple[MotionField, Tensor | None]]) -> Tensor:
    """The same, composed and corrected on the device of the key frame's scores."""
    pixels, device = (frame.height, frame.width), key.scores.device
    way, *others = [on_device.composed(field.vectors, before, key.cells, pixels, device) for field, before in steps]
    if others:
        most = uploaded([_most(frame, key.cells, [field for field, _ in steps])], device).view(key.cells)
        for k, other in enumerate(others, 1):
            way = torch.where((most == k)[..., None], other, way)
    return on_device.corrected(on_device.colours(frame, key.cells, device), key.on_device, way, DOUBT)


def along(frame: CodedFrame, sides: Mapping[int, Side], *, before: bool) -> Side | None:
    """Along the vectors to the key frame that the frames shown ``before`` this one, or after it, lead to.

    Blocks that were not predicted from there go by way of the others, if these lead to the same key frame.
    None if no vectors lead to it.
    """
    if frame.motion is None:
        return None
    fields = [field for field in frame.motion.fields if field.reference in sides]
    wanted = [f for f in fields if (sides[f.reference].display < frame.display) is before]
    if not wanted:
        return None
    best = max(wanted, key=lambda field: float(field.weight.sum()))
    key = sides[best.reference].key
    return Side(frame, key, [(f, sides[f.reference]) for f in fields if sides[f.reference].key is key])


def estimated(frame: CodedFrame, reference: CodedFrame) -> MotionField:
    """Motion of a frame from another of the same size, where the stream has none: I-frames, other references."""
    seed = reference.motion.fields[0] if reference.motion is not None else None
    luma, earlier = luma_plane(frame.picture), luma_plane(reference.picture)
    return estimate_motion(luma, earlier, reference.index, seed).fields[0]
