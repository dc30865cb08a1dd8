"""Everything that moves by itself. Each place is a closed form of time, so any frame can be drawn alone."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from math import floor, pi, sin

import numpy as np

from taplab.data.synthetic import models
from taplab.data.synthetic.parts import CAR_BODY, Model, merged, moved
from taplab.data.synthetic.street import Neighbourhood
from taplab.data.synthetic.view import CameraPath

REACH = 110.0  # metres ahead of the camera that are peopled
CAR, WALKER, RIDER = "car", "walker", "rider"
Mover = Callable[[float], Model]  # what moves: from a time to the thing where it then is


@dataclass(frozen=True)
class Convoy:
    """An endless row that moves along the street at one speed; each cell of it may hold one member."""

    name: int
    kind: str
    speed: float  # metres per second along z
    cell: float  # metres
    share: float  # of cells that hold a member
    near: float  # range of x, metres
    far: float


@dataclass(frozen=True)
class Member:
    """One of a convoy: its place in the row at time 0."""

    x: float
    z: float
    seed: int


def convoys(place: Neighbourhood) -> tuple[Convoy, ...]:
    """The rows of a street: oncoming cars and bicyclists, people on both pavements in both directions."""
    rng = np.random.default_rng([place.seed, 4])
    ours = place.driving_side
    edge, front = place.ground.half_road + 1.5, place.front - 0.4
    rows = [Convoy(0, CAR, -rng.uniform(5.5, 9.0), 24.0, 0.7, -ours * 1.5, -ours * 1.9)]
    rows.append(Convoy(1, RIDER, -rng.uniform(3.2, 4.6), 22.0, 0.55, -ours * 2.9, -ours * 3.1))
    for k, (side, way) in enumerate([(-1, -1), (-1, 1), (1, -1), (1, 1)]):
        rows.append(Convoy(2 + k, WALKER, way * rng.uniform(1.0, 1.5), 11.0, 0.6, side * edge, side * front))
    return tuple(rows)


@lru_cache(maxsize=512)
def _member(place: Neighbourhood, row: Convoy, cell: int) -> Member | None:
    rng = np.random.default_rng([place.seed, 5, row.name, cell + (1 << 20)])
    if rng.uniform() >= row.share:
        return None
    z = (cell + rng.uniform(0.15, 0.85)) * row.cell
    return Member(float(row.near + (row.far - row.near) * rng.uniform()), z, int(rng.integers(1 << 30)))


@lru_cache(maxsize=128)
def _car(seed: int, angle: float) -> Model:
    return models.car(np.random.default_rng([seed, 6]), angle)


def _driven(seed: int, angle: float, x: float, z: float) -> Model:
    """A car at (x, z) with its wheels turned accordingly."""
    result = moved(_car(seed, angle), x, z)
    body = result.solids["material"] == CAR_BODY
    result.solids["phase"][body] = models.wheel_turn(z if angle == 0 else -z)
    return result


def _along(row: Convoy, member: Member, time: float) -> Model:
    """A member where it is at ``time``."""
    z = member.z + row.speed * time
    if row.kind == CAR:
        return _driven(member.seed, 0.0 if row.speed > 0 else pi, member.x, z)
    heading = 0.14 if member.seed & 1 else -0.14
    if row.kind == RIDER:
        return moved(models.rider(member.seed, 1.7 * z, heading), member.x, z)
    pace = 4.2 * abs(row.speed) * time + member.seed % 7
    return moved(models.walker(member.seed, pace, heading), member.x + 0.15 * sin(0.8 * time + member.z), z)


def _row_movers(place: Neighbourhood, row: Convoy, camera: float, time: float) -> list[Mover]:
    shift = row.speed * time
    first = floor((camera - 3.0 - shift) / row.cell)
    last = floor((camera + REACH - shift) / row.cell)
    members = (_member(place, row, cell) for cell in range(first, last + 1))
    return [partial(_along, row, member) for member in members if member is not None]


def _companions(place: Neighbourhood, path: CameraPath) -> list[Mover]:
    """A car that drives ahead and a bicyclist at the kerb, now nearer, now further."""
    rng = np.random.default_rng([place.seed, 7])
    a, b = rng.uniform(0, 2 * pi, 2)
    gap, car_seed = rng.uniform(17, 24), int(rng.integers(1 << 30))
    lead, rider_seed = rng.uniform(10, 13), int(rng.integers(1 << 30))
    ours = place.driving_side

    def car(time: float) -> Model:
        z = path.z(time) + gap + 5.0 * sin(0.55 * time + a)
        return _driven(car_seed, 0.0, ours * 1.7 + 0.1 * sin(0.5 * time), z)

    def cyclist(time: float) -> Model:
        z = path.z(time) + lead + 3.0 * sin(0.8 * time + b)
        figure = models.rider(rider_seed, 1.7 * z + 2.0 * time, -0.15 * ours)
        return moved(figure, ours * 3.0 + 0.12 * sin(1.1 * time + b), z)

    return [car, cyclist]


def _crossing(place: Neighbourhood, path: CameraPath, number: int, time: float) -> Mover | None:
    """Somebody who crosses the road, in the middle of our lane at about ``2.6 * number`` seconds; None if far away."""
    rng = np.random.default_rng([place.seed, 8, number + 8])
    meet = 2.6 * number + rng.uniform(0.5, 1.8)
    rides = rng.uniform() < 0.3
    pace = rng.uniform(2.8, 4.0) if rides else rng.uniform(1.2, 2.3)
    way = int(rng.choice([-1, 1]))
    z = path.z(meet) + 5.5 + path.speed * (0.9 if rides else 1.3) + rng.uniform(0, 7)
    seed = int(rng.integers(1 << 30))
    limit = 30.0 if rides else place.front - 0.4

    def place_at(time: float) -> float:
        return place.driving_side * 1.7 + way * pace * (time - meet)

    def somebody(time: float) -> Model:
        x = min(max(place_at(time), -limit), limit)
        return moved(models.rider(seed, 1.7 * x * way, way) if rides else models.walker(seed, 3.0 * x * way, way), x, z)

    return None if abs(place_at(time)) > (place.front if rides else 40.0) else somebody


def movers(place: Neighbourhood, path: CameraPath, time: float) -> list[Mover]:
    """All that moves near the camera at ``time``."""
    found = _companions(place, path)
    for row in convoys(place):
        found += _row_movers(place, row, path.z(time), time)
    around = floor(time / 2.6)
    crossing = (_crossing(place, path, number, time) for number in range(around - 3, around + 4))
    return [*found, *(mover for mover in crossing if mover is not None)]


def moving_things(place: Neighbourhood, path: CameraPath, time: float) -> Model:
    """All that moves near the camera at ``time``, where it then is."""
    return merged(mover(time) for mover in movers(place, path, time))
