"""The network on every frame: what everything is compared with."""

from collections.abc import Iterable

from taplab.modules.ffw import Carried
from taplab.policies.base import Answer, Ask, Policy, Steps
from taplab.types import CodedFrame


class PerFrame(Policy):
    """Looks at neither motion nor residual."""

    name = "per-frame"
    interval = 1
    uses_motion = False
    uses_residual = False
    exact = True

    def run(self, frames: Iterable[CodedFrame]) -> Steps:
        """One ``Ask`` a frame."""
        for frame in frames:
            scores = yield Ask(frame)
            yield Answer(frame, Carried(scores), "network")
