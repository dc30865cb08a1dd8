r"""Regions between key frames, for ``live``: part of a frame is given to the network, where that helps most.

Where that is, the carried scores say: they are unsure, or the pictures did not match. The region is the one with the
highest sum, over its cells p, of::

    (1 - max_c F[p, c]) (1 + DISTRUST (1 - match[p]))

Its scores become those of a key frame that has something to say inside the region only, so they are remembered, follow
the motion and are weighed like all others. A network that needs more around it than the region shows makes matters
worse. That is measured: at the first key frames it is given a region, too, and both that and what was carried are
compared with what it says of the whole frame.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from taplab.modules.rgc import cells_of, fitted, region_of_most, region_size
from taplab.policies.keyed import Key
from taplab.scoremap.gathered import Gathered
from taplab.types import RESIDUAL_BLOCK, CodedFrame, Region

DISTRUST = 4.0
FEATHER = 24  # pixels from the edge of a region to where it counts in full
SHARE = 0.7  # of what was seen as a region, beside 1 of what was seen with the whole frame around it
TRIALS = 2  # key frames
# Wrong cells carried for one wrong in a region: with less, regions gain nothing. (Up to 3, they lose nothing.)
ADVANTAGE = 2.5


class Regions:
    """Where, and whether at all. size, stride: (rows, columns) in pixels, or as RGC has them."""

    def __init__(self, size: tuple[int, int] | None, stride: tuple[int, int] | None) -> None:
        self.size, self.stride = size, stride
        self._trials = 0
        self._wrong_carried = self._wrong_region = 0

    def where(self, frame: CodedFrame, carried: Gathered) -> Region:
        """The region of most doubt."""
        doubt = (1 - carried.scores.amax(0)) * (1 + DISTRUST * (1 - carried.match))
        size = frame.height, frame.width
        blocks = -(-size[0] // RESIDUAL_BLOCK), -(-size[1] // RESIDUAL_BLOCK)
        of_blocks = F.interpolate(doubt[None, None], blocks, mode="area")[0, 0].cpu().numpy()
        stride = self.stride or (RESIDUAL_BLOCK, RESIDUAL_BLOCK)
        return region_of_most(of_blocks, size, self._size(frame), stride)

    def cost(self, frame: CodedFrame) -> float:
        """Of one, in network passes: its share of the pixels."""
        rows, columns = self._size(frame)
        return rows * columns / (frame.height * frame.width)

    def _size(self, frame: CodedFrame) -> tuple[int, int]:
        return region_size((frame.height, frame.width), self.size)

    @property
    def on_trial(self) -> bool:
        """It is not known yet whether regions pay."""
        return self._trials < TRIALS

    @property
    def pays(self) -> bool:
        """Regions were right where what was carried was wrong, and often enough."""
        return not self.on_trial and self._wrong_carried > 0 and self._wrong_region * ADVANTAGE <= self._wrong_carried

    @property
    def note(self) -> str:
        """What came of the trial, if regions are not used."""
        if self.on_trial:
            return (
                f"rgc: no regions, whether they pay is tried on {TRIALS} key frames that motion from another leads to"
            )
        if self.pays:
            return ""
        return (
            f"rgc: no regions, they do not pay here: of a region alone the network gets {self._wrong_region} cells "
            f"wrong, what is carried there {self._wrong_carried}"
        )

    def compare(self, whole: Tensor, carried: Tensor, region: Key) -> None:
        """Takes in one trial: the network's scores of a whole frame, those carried there, and those of the region."""
        inside = region.presence == 1
        truth = whole.cpu().argmax(0)[inside]
        self._wrong_carried += int((carried.cpu().argmax(0)[inside] != truth).sum())
        self._wrong_region += int((region.scores.cpu().argmax(0)[inside] != truth).sum())
        self._trials += 1


def region_key(frame: CodedFrame, region: Region, scores: Tensor, cells: tuple[int, int]) -> Key:
    """What the network says of a region, ``[C, rh, rw]``, laid out on ``cells`` (rows, columns) of the whole frame."""
    rows, columns = cells_of(region, (frame.height, frame.width), cells)
    size = rows.stop - rows.start, columns.stop - columns.start
    whole = scores.new_zeros((scores.shape[0], *cells))
    whole[:, rows, columns] = fitted(scores, size)
    presence = torch.zeros(cells)
    down = _ramp(size[0], region.top == 0, region.top + region.height == frame.height, frame.height / cells[0])
    across = _ramp(size[1], region.left == 0, region.left + region.width == frame.width, frame.width / cells[1])
    presence[rows, columns] = torch.minimum(down[:, None], across[None])
    return Key(frame, whole, presence)


def _ramp(count: int, starts: bool, ends: bool, pixels: float) -> Tensor:
    """From the edges of a region inwards to 1; at the edge of the frame there is nothing to blend into."""
    inward = (torch.arange(count) + 0.5) * (pixels / FEATHER)
    first = torch.ones(count) if starts else inward
    last = torch.ones(count) if ends else inward.flip(0)
    return torch.minimum(first, last).clamp(max=1)
