"""Building blocks that the networks share."""

from collections.abc import Callable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def conv(
    cin: int, cout: int, kernel: int, stride: int = 1, *, groups: int = 1, dilation: int = 1, relu: bool = True
) -> nn.Sequential:
    """Convolution, batch norm and, unless ``relu`` is False, ReLU; padded to keep ceil(size / stride)."""
    padding = kernel // 2 * dilation
    layers = [
        nn.Conv2d(cin, cout, kernel, stride, padding, groups=groups, dilation=dilation, bias=False),
        nn.BatchNorm2d(cout),
    ]
    return nn.Sequential(*layers, nn.ReLU(inplace=True)) if relu else nn.Sequential(*layers)


def separable(cin: int, cout: int, stride: int = 1) -> nn.Sequential:
    """Depthwise 3x3, then pointwise 1x1: MobileNet's block."""
    return nn.Sequential(conv(cin, cin, 3, stride, groups=cin), conv(cin, cout, 1))


def resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear, ``[N, C, h, w]`` to ``[N, C, *size]``."""
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


def size_of(x: Tensor) -> tuple[int, int]:
    """Rows and columns. No ``int()``: where a network is traced for export, they stay unknown."""
    return x.shape[-2], x.shape[-1]


def shrunk(size: tuple[int, int], stride: int) -> tuple[int, int]:
    """Rows and columns at ``stride``, rounded up (and written so that ONNX, whose division truncates, agrees)."""
    return (size[0] + stride - 1) // stride, (size[1] + stride - 1) // stride


def pool_bins(x: Tensor, bins: int) -> Tensor:
    """Mean of ``bins`` x ``bins`` cells, never more than there are: a small crop must not be pooled into repeats."""
    h, w = size_of(x)
    if torch.jit.is_tracing():  # type: ignore[no-untyped-call,attr-defined]
        # Adaptive pooling of sizes not yet known cannot be exported, matrix products can. Sizes are tensors here.
        return bin_weights(cast(Tensor, h), bins) @ x @ bin_weights(cast(Tensor, w), bins).T
    return F.adaptive_avg_pool2d(x, (min(bins, h), min(bins, w)))


def bin_weights(cells: Tensor, bins: int) -> Tensor:
    """``[min(bins, cells), cells]``: what adaptive average pooling does along one axis, as a matrix.

    Bin i is the mean of the cells from floor(i cells / bins) to ceil((i + 1) cells / bins). cells: int64, one number.
    """
    count = cells.clamp(max=bins)
    bin_, cell = torch.arange(count)[:, None], torch.arange(cells)  # type: ignore[call-overload]
    first, end = bin_ * cells // count, ((bin_ + 1) * cells + count - 1) // count
    weights: Tensor = ((cell >= first) & (cell < end)).float() / (end - first)
    return weights


def channels_at(width: float) -> Callable[[int], int]:
    """The channel counts of a network of another width: in steps of 8, at least 8."""
    return lambda channels: max(8, round(channels * width / 8) * 8)


class Bottleneck(nn.Module):
    """ResNet's block: 1x1 down, 3x3, 1x1 up, added to its input."""

    def __init__(self, cin: int, middle: int, cout: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            conv(cin, middle, 1),
            conv(middle, middle, 3, stride, dilation=dilation),
            conv(middle, cout, 1, relu=False),
        )
        same = cin == cout and stride == 1
        self.shortcut = nn.Identity() if same else conv(cin, cout, 1, stride, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        """``[N, cin, h, w]`` to ``[N, cout, h / stride, w / stride]``."""
        return F.relu(self.residual(x) + self.shortcut(x), inplace=True)


def bottlenecks(cin: int, middle: int, cout: int, count: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """A stage: the first block changes channels and stride, the others keep them."""
    first = Bottleneck(cin, middle, cout, stride, dilation)
    return nn.Sequential(first, *(Bottleneck(cout, middle, cout, 1, dilation) for _ in range(count - 1)))
