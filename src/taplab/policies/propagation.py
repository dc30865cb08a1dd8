"""What carries scores to a frame that the network does not see: the paper's FFW, or an optical flow (Table 3)."""

from collections.abc import Mapping
from typing import Any, Protocol

from taplab.modules import ffw
from taplab.modules.ffw import Carried
from taplab.modules.flow import Flow, ask
from taplab.policies.base import Answer
from taplab.types import CodedFrame


class Propagation(Protocol):
    """name: of the policy that works with it, as after ``--mode``."""

    name: str

    def __call__(self, frame: CodedFrame, known: Mapping[int, Answer]) -> Carried | None:
        """The scores of ``frame``, from those of the newest reference frames (by coded index); None: not possible."""


class FastFeatureWarping:
    """FFW: along the motion that comes with the stream. None where it has no vectors, or they point to the unknown."""

    name = "paper"

    def __call__(self, frame: CodedFrame, known: Mapping[int, Answer]) -> Carried | None:
        """See ``Propagation``."""
        if frame.motion is None:
            return None
        carried = {index: a.carried for index, a in known.items() if isinstance(a.carried, Carried)}
        return ffw.propagate(frame.motion, carried, (frame.height, frame.width))


class OpticalFlow:
    """Along ``flow`` from the reference frame that is shown nearest to this one, composed as FFW composes vectors.

    Like FFW it carries nothing over damage. Raises ModelError if the flow raises or gives something else than ``Flow``
    says.
    """

    def __init__(self, flow: Flow, name: str) -> None:
        self.flow, self.name = flow, name

    def __call__(self, frame: CodedFrame, known: Mapping[int, Answer]) -> Carried | None:
        """See ``Propagation``."""
        size = frame.height, frame.width
        answers = [(a.frame, a.carried) for a in known.values() if isinstance(a.carried, Carried)]
        sound = [(f, c) for f, c in answers if not f.damaged and (f.height, f.width) == size]
        if frame.damaged or not sound:
            return None
        reference, carried = min(sound, key=lambda a: (abs(a[0].display - frame.display), a[0].display))
        before: Any = carried.displacement
        vectors = ask(self.flow, self.name, frame.rgb(), reference.rgb())
        cells = int(carried.origin.shape[-2]), int(carried.origin.shape[-1])
        return Carried(carried.origin, ffw.compose(vectors, before, cells, size, block=1))
