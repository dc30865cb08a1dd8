"""A small learned optical flow: features of both pictures, compared from coarse to fine, after PWC-Net."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from taplab.models.zoo.layers import resize, size_of

REACH = 3  # cells in each direction in which a level looks for its match
_CHANNELS = (16, 24, 32, 48, 64)  # features at 1/2, 1/4, ... 1/32
_COMMON = 24  # channels that every level hands to the one estimator


def _conv(cin: int, cout: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(cin, cout, 3, stride, dilation, dilation), nn.LeakyReLU(0.1, inplace=True))


class FlowNet(nn.Module):
    """Two pictures in, the displacement from the first to the second out.

    ``forward``: two float ``[N, 3, H, W]`` in -1..1, to flow ``[N, 2, H/4, W/4]`` in pixels of the input (sizes rounded
    up). One estimator serves all levels from 1/32 to 1/4, which makes it small (0.25 M parameters).
    """

    def __init__(self) -> None:
        super().__init__()
        widths = (3, *_CHANNELS)
        self.encoder = nn.ModuleList(
            nn.Sequential(_conv(widths[k], widths[k + 1], 2), _conv(widths[k + 1], widths[k + 1]))
            for k in range(len(_CHANNELS))
        )
        self.common = nn.ModuleList(nn.Conv2d(c, _COMMON, 1) for c in _CHANNELS[1:])
        cells = (2 * REACH + 1) ** 2
        self.estimator = nn.Sequential(
            _conv(cells + _COMMON + 2, 64), _conv(64, 64, dilation=2), _conv(64, 48), _conv(48, 32)
        )
        self.flow = nn.Conv2d(32, 2, 3, padding=1)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """The finest of ``levels``."""
        return self.levels(first, second)[-1]

    def levels(self, first: Tensor, second: Tensor) -> list[Tensor]:
        """Flow at 1/32, 1/16, 1/8 and 1/4, each in pixels of the input: training looks at all of them."""
        count = first.shape[0]
        features = self._features(torch.cat([first, second]))
        flow: Tensor | None = None  # in cells of the level
        flows: list[Tensor] = []
        for k, both in enumerate(features):
            one, two = both[:count], both[count:]
            rows, columns = size_of(one)
            flow = one.new_zeros(count, 2, rows, columns) if flow is None else 2 * resize(flow, (rows, columns))
            cost = F.leaky_relu(correlation(one, pull(two, flow)), 0.1)
            flow = flow + self.flow(self.estimator(torch.cat([cost, one, flow], 1))).float()
            flows.append(flow * 2 ** (len(features) + 1 - k))
        return flows

    def _features(self, x: Tensor) -> list[Tensor]:
        """Of common width and of length 1 in every cell, coarsest first."""
        found = []
        x = self.encoder[0](x)
        for stage, common in zip(self.encoder[1:], self.common, strict=True):
            x = stage(x)
            found.append(F.normalize(common(x).float(), dim=1))
        return found[::-1]


def pull(features: Tensor, flow: Tensor) -> Tensor:
    """``features`` ``[N, C, h, w]`` fetched from ``cell + flow``, flow ``[N, 2, h, w]`` in cells; borders replicate."""
    rows, columns = size_of(features)
    x = (2 * (flow[:, 0] + torch.arange(columns, device=flow.device)) + 1) / columns - 1
    y = (2 * (flow[:, 1] + torch.arange(rows, device=flow.device)[:, None]) + 1) / rows - 1
    return F.grid_sample(features, torch.stack([x, y], -1), padding_mode="border", align_corners=False)


def correlation(one: Tensor, two: Tensor) -> Tensor:
    """Products of ``one`` with ``two`` shifted by up to REACH cells: ``[N, (2 REACH + 1)^2, h, w]``."""
    rows, columns = size_of(one)
    padded = F.pad(two, [REACH] * 4)
    side = range(2 * REACH + 1)
    return torch.stack([(one * padded[:, :, i : i + rows, j : j + columns]).sum(1) for i in side for j in side], 1)
