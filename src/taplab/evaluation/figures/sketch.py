"""What a figure is made of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from taplab.evaluation.bench import Bench
from taplab.evaluation.points import Plan, Point

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Drawn = tuple["Figure", dict[str, Any]]  # and the plotted data, for JSON


@dataclass(frozen=True)
class Sketch:
    """points: what is measured before ``draw``; timed: its speed too.

    draw: of the plan, the bench with its scores, and the frame that was asked for.
    """

    number: int
    title: str
    draw: Callable[[Plan, Bench, int | None], Drawn]
    points: Callable[[Plan], Sequence[Point]] = lambda plan: ()
    timed: bool = False
