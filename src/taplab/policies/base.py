"""How a policy talks to the house: it asks for network passes and answers with scores.

A policy is a generator over the frames of one lane, in coded order. It yields ``Ask`` and is sent the scores;
it yields ``Answer`` for every frame, and ``Turn`` before it looks at what the lane before left. It knows nothing of
batches, devices, threads or files.
"""

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from taplab.modules.ffw import Carried
from taplab.scoremap.gathered import Gathered
from taplab.types import CodedFrame, Origin, Refine, Region

if TYPE_CHECKING:
    from taplab.policies.forecast import Forecast


@dataclass(frozen=True, eq=False)
class Ask:
    """Please run the network on this frame, or on a region of it. The reply is ``[C, h, w]``, see ``Policy.exact``.

    carried: what came to the frame; then a glance at it is asked for (``Model.follow``).
    """

    frame: CodedFrame
    region: Region | None = None
    carried: Gathered | None = None


@dataclass(frozen=True, eq=False)
class Answer:
    """The scores of a frame and how they came about; they may be worked out when they are asked for, on any thread."""

    frame: CodedFrame
    carried: Carried | Gathered
    origin: Origin
    region: Region | None = None


@dataclass(frozen=True)
class Turn:
    """Please go on when every lane before this one has ended."""


Steps = Generator[Ask | Answer | Turn, Tensor, None]


class Policy(ABC):
    """name: as after ``--mode``. interval: at most so many frames between key frames; lanes are cut there.

    uses_motion, uses_residual: what it looks at, so that nothing else is computed. refine: the codec's motion, as of
    ``open_video``. looks_ahead: every lane ends with the next lane's key frame. endless: it remembers more than a lane,
    so the whole stream is one, and every frame is answered as soon as it comes. modules: of the paper's algorithm, for
    the record. forecast: of what is lost, if it makes one; such a policy serves one stream. bridges: I-frames need not
    be key frames, motion is to be estimated. follows_edges: contours of labels are those of the picture where it has
    some (``edges``). exact: it carries nothing, so scores are not ``resampled``, and class numbers ``[h, w]`` stay what
    they are. glances: the network is made for warping; who remembers what it says at a glance asks for that, the others
    get it afterwards. gathers: its scores are probabilities, but for those that the network alone has spoken of.
    """

    name: str
    interval: int
    uses_motion: bool = True
    refine: Refine = "never"
    uses_residual: bool = True
    looks_ahead: bool = False
    endless: bool = False
    modules: tuple[str, ...] = ()
    forecast: "Forecast | None" = None
    bridges: bool = False
    follows_edges: bool = False
    exact: bool = False
    glances: bool = False
    gathers: bool = False

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of the last run."""
        return ()

    @abstractmethod
    def run(self, frames: Iterable[CodedFrame]) -> Steps:
        """Segments the frames of one lane."""
