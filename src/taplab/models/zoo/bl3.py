"""BL3: PSPNet with a ResNet-101 of output stride 16 (Sec. 4.1, third baseline)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from taplab.models.zoo.layers import bottlenecks, channels_at, conv, pool_bins, resize, shrunk, size_of

_PYRAMID_BINS = (1, 2, 3, 6)


class PyramidPooling(nn.Module):
    """Pools of 1, 2, 3 and 6 bins, each reduced by a 1x1, concatenated to the input."""

    def __init__(self, cin: int, level: int) -> None:
        super().__init__()
        self.levels = nn.ModuleList(conv(cin, level, 1) for _ in _PYRAMID_BINS)

    def forward(self, x: Tensor) -> Tensor:
        """``[N, cin, h, w]`` to ``[N, cin + 4 level, h, w]``."""
        parts = [x]
        for bins, level in zip(_PYRAMID_BINS, self.levels, strict=True):
            parts.append(resize(level(pool_bins(x, bins)), size_of(x)))
        return torch.cat(parts, 1)


class BL3(nn.Module):
    """The paper's third baseline network.

    ``forward``: float ``[N, 3, H, W]``, normalised RGB, to scores ``[N, classes, H/4, W/4]`` (sizes rounded up): the
    classifier works at 1/16, and its scores are upsampled, because vectors of a few pixels would be lost there.
    ``width`` scales every channel count: 1.0 is the paper's network (66 M parameters).
    """

    stride = 4

    def __init__(self, classes: int, width: float = 1.0) -> None:
        super().__init__()
        ch = channels_at(width)
        self.stem = nn.Sequential(conv(3, ch(64), 3, 2), conv(ch(64), ch(64), 3), conv(ch(64), ch(128), 3))
        self.stage1 = bottlenecks(ch(128), ch(64), ch(256), 3)
        self.stage2 = bottlenecks(ch(256), ch(128), ch(512), 4, stride=2)
        self.stage3 = bottlenecks(ch(512), ch(256), ch(1024), 23, stride=2)
        self.stage4 = bottlenecks(ch(1024), ch(512), ch(2048), 3, dilation=2)
        self.pyramid = PyramidPooling(ch(2048), ch(512))
        self.merge = conv(ch(2048) + len(_PYRAMID_BINS) * ch(512), ch(512), 3)
        self.dropout = nn.Dropout2d(0.1)
        self.classifier = nn.Conv2d(ch(512), classes, 1)
        self.auxiliary_channels = ch(1024)

    def features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What the classifier looks at, ``[N, 512 width, H/16, W/16]``, and the third stage (for auxiliary losses)."""
        x = F.max_pool2d(self.stem(x), 3, stride=2, padding=1)
        third = self.stage3(self.stage2(self.stage1(x)))
        return self.dropout(self.merge(self.pyramid(self.stage4(third)))), third

    def forward(self, x: Tensor) -> Tensor:
        """Normalised ``[N, 3, H, W]`` to scores ``[N, classes, H/4, W/4]``."""
        return resize(self.classifier(self.features(x)[0]), shrunk(size_of(x), 4))
