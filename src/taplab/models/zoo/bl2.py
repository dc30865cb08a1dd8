"""BL2: MobileNet encoder, spatial pyramid, FPN decoder (the paper's Sec. 4.1, second baseline)."""

import torch
from torch import Tensor, nn

from taplab.models.zoo.layers import channels_at, conv, pool_bins, resize, separable, size_of

# MobileNet v1 body after the stem: (output channels, stride) of each depthwise-separable block.
_BODY = (
    ((64, 1), (128, 2), (128, 1)),  # ends at 1/4
    ((256, 2), (256, 1)),  # ends at 1/8
    ((512, 2), (512, 1), (512, 1), (512, 1), (512, 1), (512, 1)),  # ends at 1/16
    ((1024, 2), (1024, 1)),  # ends at 1/32
)
_PYRAMID_BINS = (1, 2, 4, 8)


class SpatialPyramid(nn.Module):
    """1x1 reduction, average pools of 1, 2, 4 and 8 bins, concatenation, 1x1 fusion."""

    def __init__(self, cin: int, reduced: int, level: int, cout: int) -> None:
        super().__init__()
        self.reduce = conv(cin, reduced, 1)
        self.levels = nn.ModuleList(conv(reduced, level, 1) for _ in _PYRAMID_BINS)
        self.fuse = conv(reduced + level * len(_PYRAMID_BINS), cout, 1)

    def forward(self, x: Tensor) -> Tensor:
        """``[N, cin, h, w]`` to ``[N, cout, h, w]``."""
        x = self.reduce(x)
        parts = [x]
        for bins, level in zip(_PYRAMID_BINS, self.levels, strict=True):
            parts.append(resize(level(pool_bins(x, bins)), size_of(x)))
        out: Tensor = self.fuse(torch.cat(parts, 1))
        return out


class Fuse(nn.Module):
    """One decoder step: lateral 1x1 of the skip, plus the upsampled deep map, then 3x3."""

    def __init__(self, skip: int, deep: int, cout: int) -> None:
        super().__init__()
        self.lateral = conv(skip, deep, 1)
        self.merge = conv(deep, cout, 3)

    def forward(self, skip: Tensor, deep: Tensor) -> Tensor:
        """``[N, skip, h, w]`` and ``[N, deep, h/2, w/2]`` to ``[N, cout, h, w]``."""
        lateral = self.lateral(skip)
        out: Tensor = self.merge(lateral + resize(deep, size_of(lateral)))
        return out


class BL2(nn.Module):
    """The paper's second baseline network.

    ``forward``: float ``[N, 3, H, W]``, normalised RGB, to scores ``[N, classes, H/4, W/4]``
    (sizes rounded up). ``width`` scales every channel count: 1.0 is the paper's network (4.9 M
    parameters, 40 GMAC at 1024x2048).
    """

    stride = 4

    def __init__(self, classes: int, width: float = 1.0) -> None:
        super().__init__()
        ch = channels_at(width)
        cin = ch(32)
        self.stem = conv(3, cin, 3, stride=2)
        stages = []
        for body in _BODY:
            blocks = []
            for cout, stride in body:
                blocks.append(separable(cin, ch(cout), stride))
                cin = ch(cout)
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)
        self.pyramid = SpatialPyramid(ch(1024), ch(512), ch(128), ch(256))
        self.fuse16 = Fuse(ch(512), ch(256), ch(128))
        self.fuse8 = Fuse(ch(256), ch(128), ch(64))
        self.fuse4 = Fuse(ch(128), ch(64), ch(64))
        self.classifier = nn.Conv2d(ch(64), classes, 3, padding=1)
        self.auxiliary_channels = ch(64)

    def features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The last decoder map, ``[N, 64 width, H/4, W/4]``, and the one at 1/8 (for auxiliary losses)."""
        taps = []
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
            taps.append(x)
        deep = self.fuse16(taps[2], self.pyramid(taps[3]))
        eighth = self.fuse8(taps[1], deep)
        return self.fuse4(taps[0], eighth), eighth

    def forward(self, x: Tensor) -> Tensor:
        """Normalised ``[N, 3, H, W]`` to scores ``[N, classes, H/4, W/4]``."""
        scores: Tensor = self.classifier(self.features(x)[0])
        return scores
