"""What a street is built from: tables of solids, cards, sticks and shadows, and models made of them.

World axes: x to the right of the street's middle, y up from the ground, z along the street. All in metres.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Table = NDArray[Any]  # [N] records of one of the types below

SKY, BUILDING, POLE, ROAD, PAVEMENT, TREE, SIGN, FENCE, CAR, PEDESTRIAN, BICYCLIST = range(11)
FACADE, CAR_BODY, CAR_CABIN, PLANKS, ROOF = range(5)  # materials of solids
STICKS, CROWN, DISC, TRIANGLE, PLATE = range(5)  # shapes of cards

_COLOUR = ["red", "green", "blue"]
_COLOURS = [*_COLOUR, "red2", "green2", "blue2"]


def _record(numbers: list[str], integers: list[str], colours: list[str]) -> np.dtype[Any]:
    fields = [*((name, "f8") for name in numbers), *((name, "i8") for name in integers)]
    return np.dtype([*fields, *((name, "f8") for name in colours)], align=True)


# A box on the ground, or hovering at `base`, turned by `angle`; its walls lean inward by `taper` metres per metre.
SOLID = _record(
    ["x", "base", "z", "angle", "half_width", "half_length", "height", "taper_x", "taper_z", "phase"],
    ["material", "label", "seed"],
    _COLOURS,
)
# A flat upright shape across the street; local u runs to the right of x, v up from `base`.
CARD = _record(["x", "base", "z", "left", "right", "top"], ["shape", "label", "seed", "first", "count"], _COLOURS)
# A round-ended stroke from (u0, v0) to (u1, v1) of a card; with `ring` > 0 a hoop of that radius, `squash` wide.
STICK = _record(["u0", "v0", "u1", "v1", "radius", "ring", "squash"], [], _COLOUR)
# A soft dark ellipse on the ground.
SHADOW = _record(["x", "z", "half_width", "half_length", "strength"], [], [])


class Model(NamedTuple):
    """One thing, or a whole street: its solids, cards, the cards' sticks, and shadows."""

    solids: Table
    cards: Table
    sticks: Table
    shadows: Table


def table(kind: np.dtype[Any], rows: Iterable[tuple[Any, ...]] = ()) -> Table:
    """Rows of records of ``kind``."""
    return np.array(list(rows), dtype=kind)


def model(
    solids: Iterable[tuple[Any, ...]] = (),
    cards: Iterable[tuple[Any, ...]] = (),
    sticks: Iterable[tuple[Any, ...]] = (),
    shadows: Iterable[tuple[Any, ...]] = (),
) -> Model:
    """A model from plain rows."""
    return Model(table(SOLID, solids), table(CARD, cards), table(STICK, sticks), table(SHADOW, shadows))


def moved(thing: Model, x: float, z: float) -> Model:
    """A copy of ``thing`` shifted along the ground."""
    result = Model(thing.solids.copy(), thing.cards.copy(), thing.sticks, thing.shadows.copy())
    for part in (result.solids, result.cards, result.shadows):
        part["x"] += x
        part["z"] += z
    return result


def merged(things: Iterable[Model]) -> Model:
    """All ``things`` in one; cards keep pointing at their own sticks."""
    group = list(things)
    if not group:
        return model()
    result = Model(*(_joined(column) for column in zip(*group, strict=True)))
    sticks = np.cumsum([0] + [len(thing.sticks) for thing in group[:-1]])
    result.cards["first"] += np.repeat(sticks, [len(thing.cards) for thing in group])
    return result


def near_first(things: Model) -> Model:
    """``things`` in about the order in which a camera meets them, so that drawing what they hide costs little."""
    solids = things.solids[np.argsort(things.solids["z"] - things.solids["half_length"], kind="stable")]
    return things._replace(solids=solids, cards=things.cards[np.argsort(things.cards["z"], kind="stable")])


def _joined(tables: tuple[Table, ...]) -> Table:
    """Tables of one kind one after another; as bytes, since numpy joins records field by field."""
    return np.frombuffer(bytearray(b"".join(part.tobytes() for part in tables)), tables[0].dtype)
