"""What a table is made of."""

from dataclasses import dataclass, field

from taplab.evaluation.points import Point
from taplab.evaluation.published import Published, System


@dataclass(frozen=True)
class Row:
    """cells: what the row is called, one for each of the table's ``heads``.

    point: what is measured; None with the reason in ``absent``. paper: the paper's own figures for it.
    """

    cells: tuple[str, ...]
    point: Point | None
    paper: Published = field(default_factory=Published)
    absent: str = ""


@dataclass(frozen=True)
class Table:
    """heads: of the columns that name the rows. milliseconds: the time of propagation is a column too.

    systems: of others, as published. notes: what a reader should know.
    """

    number: int
    title: str
    heads: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    milliseconds: bool = False
    systems: tuple[System, ...] = ()

    @property
    def points(self) -> list[Point]:
        """What is to be measured."""
        return [row.point for row in self.rows if row.point is not None]
