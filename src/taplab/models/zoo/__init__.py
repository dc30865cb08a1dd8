"""The paper's networks by name, and ours made for warping."""

from collections.abc import Callable

from torch import nn

from taplab.models.zoo.bl1 import BL1
from taplab.models.zoo.bl2 import BL2
from taplab.models.zoo.bl2_warp import BL2Warp
from taplab.models.zoo.bl3 import BL3

ARCHITECTURES: dict[str, Callable[[int, float], nn.Module]] = {"bl1": BL1, "bl2": BL2, "bl3": BL3}
FOLLOWING: dict[str, Callable[[int, float], nn.Module]] = {"bl2-warp": BL2Warp}  # trained by taplab.training.follow


def build(architecture: str, classes: int, width: float = 1.0) -> nn.Module:
    """A network with random weights; ``width`` scales its channels."""
    return (ARCHITECTURES | FOLLOWING)[architecture](classes, width)
