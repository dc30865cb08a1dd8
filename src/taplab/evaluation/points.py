"""What is to be measured for the paper's tables and figures."""

from dataclasses import dataclass, field, replace
from typing import Any

from taplab.evaluation.ways import Way
from taplab.modules.rgc import region_and_stride
from taplab.policies import PaperSettings

FFW, RGC, RGFS, ALL = ("ffw",), ("ffw", "rgc"), ("ffw", "rgfs"), ("ffw", "rgc", "rgfs")
COMBINATIONS = (FFW, RGC, RGFS, ALL)  # the legal ones, in the order of Table 5
GOPS = (3, 6, 9, 12)  # of Table 6 and Figure 8
NETWORKS = ("bl1", "bl2", "bl3")


def named(modules: tuple[str, ...]) -> str:
    """ "FFW + RGC"."""
    return " + ".join(module.upper() for module in modules)


@dataclass(frozen=True)
class Point:
    """One way of working, with one of the paper's networks ("bl2"), on clips with an I-frame every ``gop`` frames."""

    network: str
    way: Way
    gop: int


@dataclass(frozen=True)
class Plan:
    """What tables and figures have in common.

    size: (rows, columns) of the frames. settings: alpha and thresholds; modules and intervals are set by the tables.
    flow: NAME of the mode "flow:NAME" that stands for the paper's PWC-Net. networks: those that are at hand.
    """

    size: tuple[int, int]
    gop: int = 12
    settings: PaperSettings = field(default_factory=lambda: PaperSettings(FFW))
    flow: str = "net"
    networks: tuple[str, ...] = NETWORKS

    @property
    def region_and_stride(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Of RGC, (rows, columns) in pixels: those of the settings, or the defaults on frames of this size."""
        return region_and_stride(self.size, self.settings.region, self.settings.stride)

    def per_frame(self, network: str) -> Point:
        """The network on every frame."""
        return Point(network, Way("per-frame"), self.gop)

    def point(
        self, network: str, modules: tuple[str, ...] = FFW, *, mode: str = "paper", gop: int | None = None, **other: Any
    ) -> Point:
        """Modules of the paper, or of another mode; ``other`` are fields of ``PaperSettings``."""
        gop = gop or self.gop
        return Point(network, Way(mode, replace(self.settings, modules=modules, interval=gop, **other)), gop)
