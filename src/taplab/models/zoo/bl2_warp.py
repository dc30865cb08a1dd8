"""BL2 with a follower: a network made for warping. It sees key frames in full and the others at half size.

After AR-Seg's idea: what was carried over from key frames is sharp but may be wrong, what a pass at half size says is
current but coarse. A few cheap layers at the score map's size put the two together.
"""

import torch
from torch import Tensor, nn

from taplab.models.zoo.bl2 import BL2
from taplab.models.zoo.layers import channels_at, conv, resize, separable, shrunk, size_of

_FLOOR = 1e-3  # of a carried probability, before its logarithm


class Follower(nn.Module):
    """Scores of a frame from a glance at it and from what was carried over to it.

    A gate between 0 and 1 says for each cell how far what was carried is trusted::

        F_t = gate log(carried) + (1 - gate) glance + correction
    """

    def __init__(self, classes: int, width: float = 1.0) -> None:
        super().__init__()
        ch = channels_at(width)
        self.glance = BL2(classes, width)
        self.coarse = conv(self.glance.auxiliary_channels, ch(32), 1)
        self.detail = nn.Sequential(conv(3, ch(8), 3, 2), separable(ch(8), ch(16), 2))
        self.told = conv(classes + 1, ch(24), 1)
        self.fuse = nn.Sequential(conv(ch(32) + ch(16) + ch(24), ch(32), 1), conv(ch(32), ch(24), 3))
        self.gate = nn.Conv2d(ch(24), 1, 1)
        self.correction = nn.Conv2d(ch(24), classes, 1)
        nn.init.zeros_(self.correction.weight)
        nn.init.zeros_(self.correction.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, carried: Tensor, match: Tensor) -> tuple[Tensor, Tensor]:
        """See ``BL2Warp.follow``; also the scores of the glance alone, at 1/8 of the frame."""
        seen = self.glance.features(resize(x, shrunk(size_of(x), 2)))[0]
        glance = self.glance.classifier(seen)
        cells = size_of(carried)
        told = self.told(torch.cat([carried, match], 1))
        parts = [resize(self.coarse(seen), cells), resize(self.detail(x), cells), told]
        mixed = self.fuse(torch.cat(parts, 1))
        gate = torch.sigmoid(self.gate(mixed))
        known = torch.log(carried.clamp(min=_FLOOR))
        return gate * known + (1 - gate) * resize(glance, cells) + self.correction(mixed), glance


class BL2Warp(BL2):
    """BL2 for key frames (``forward``) and a ``Follower`` for those between them (``follow``).

    follow_cost: multiply-adds of ``follow``, as a share of those of ``forward``.
    """

    follow_cost = 0.29

    def __init__(self, classes: int, width: float = 1.0) -> None:
        super().__init__(classes, width)
        self.follower = Follower(classes, width)

    def follow(self, x: Tensor, carried: Tensor, match: Tensor) -> Tensor:
        """Scores ``[N, classes, H/4, W/4]`` of frames between key frames.

        x: normalised ``[N, 3, H, W]``. carried: probabilities ``[N, classes, H/4, W/4]`` brought from key frames.
        match: ``[N, 1, H/4, W/4]`` in 0..1, how well the pictures there match.
        """
        scores: Tensor = self.follower(x, carried, match)[0]
        return scores
