"""BL1: after ICNet, a light ResNet-50 on small inputs, a shallow branch on the full one (Sec. 4.1, first baseline)."""

import torch.nn.functional as F
from torch import Tensor, nn

from taplab.models.zoo.layers import bottlenecks, channels_at, conv, pool_bins, resize, shrunk, size_of

_PYRAMID_BINS = (1, 2, 3, 6)


class CascadeFusion(nn.Module):
    """The deep map, upsampled and convolved, plus the finer one, projected: ICNet's cascade feature fusion."""

    def __init__(self, deep: int, fine: int, cout: int) -> None:
        super().__init__()
        self.deep = conv(deep, cout, 3, dilation=2, relu=False)
        self.fine = conv(fine, cout, 1, relu=False)

    def forward(self, deep: Tensor, fine: Tensor) -> Tensor:
        """``[N, deep, h/2, w/2]`` and ``[N, fine, h, w]`` to ``[N, cout, h, w]``."""
        return F.relu(self.deep(resize(deep, size_of(fine))) + self.fine(fine), inplace=True)


class BL1(nn.Module):
    """The paper's first baseline network.

    ``forward``: float ``[N, 3, H, W]``, normalised RGB, to scores ``[N, classes, H/4, W/4]`` (sizes rounded up).
    ``width`` scales every channel count: 1.0 is the paper's network (6.7 M parameters).
    """

    stride = 4

    def __init__(self, classes: int, width: float = 1.0) -> None:
        super().__init__()
        ch = channels_at(width)
        self.stem = _three_convs((ch(32), ch(32), ch(64)), (2, 1, 1))
        self.stage1 = bottlenecks(ch(64), ch(32), ch(128), 3)
        whole = bottlenecks(ch(128), ch(64), ch(256), 4, stride=2)
        self.stage2_first, self.stage2_rest = whole[:1], whole[1:]
        self.stage3 = bottlenecks(ch(256), ch(128), ch(512), 6, dilation=2)
        self.stage4 = bottlenecks(ch(512), ch(256), ch(1024), 3, dilation=4)
        self.reduce = conv(ch(1024), ch(256), 1)
        self.shallow = _three_convs((ch(32), ch(32), ch(64)), (2, 2, 2))
        self.fuse16 = CascadeFusion(ch(256), ch(256), ch(128))
        self.fuse8 = CascadeFusion(ch(128), ch(64), ch(128))
        self.classifier = nn.Conv2d(ch(128), classes, 1)
        self.auxiliary_channels = ch(128)

    def features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What the classifier looks at, ``[N, 128 width, H/4, W/4]``, and the map at 1/16 (for auxiliary losses)."""
        half = resize(x, shrunk(size_of(x), 2))
        eighth = self.stage1(F.max_pool2d(self.stem(half), 3, stride=2, padding=1))
        sixteenth = self.stage2_first(eighth)
        # The last stages see what a quarter of the input's resolution would give them.
        deep = self.stage2_rest(resize(sixteenth, shrunk(size_of(sixteenth), 2)))
        deep = self.reduce(_pyramid(self.stage4(self.stage3(deep))))
        middle = self.fuse16(deep, sixteenth)
        fused = self.fuse8(middle, self.shallow(x))
        return resize(fused, shrunk(size_of(x), 4)), middle

    def forward(self, x: Tensor) -> Tensor:
        """Normalised ``[N, 3, H, W]`` to scores ``[N, classes, H/4, W/4]``."""
        scores: Tensor = self.classifier(self.features(x)[0])
        return scores


def _three_convs(channels: tuple[int, int, int], strides: tuple[int, int, int]) -> nn.Sequential:
    """3x3 convolutions from RGB."""
    before = (3, *channels)
    return nn.Sequential(*(conv(before[i], channels[i], 3, strides[i]) for i in range(3)))


def _pyramid(x: Tensor) -> Tensor:
    """Pyramid pooling with its levels summed; it has no weights."""
    out = x
    for bins in _PYRAMID_BINS:
        out = out + resize(pool_bins(x, bins), size_of(x))
    return out
