"""The paper's networks, by name."""

from collections.abc import Callable

from torch import nn

from taplab.models.zoo.bl1 import BL1
from taplab.models.zoo.bl2 import BL2
from taplab.models.zoo.bl3 import BL3

ARCHITECTURES: dict[str, Callable[[int, float], nn.Module]] = {"bl1": BL1, "bl2": BL2, "bl3": BL3}


def build(architecture: str, classes: int, width: float = 1.0) -> nn.Module:
    """A network with random weights; ``width`` scales its channels."""
    return ARCHITECTURES[architecture](classes, width)
