"""Everything that moves by itself. Each place is a closed form of time, so any frame can be drawn alone."""

from dataclasses import dataclass
from functools import lru_cache
from math import floor, pi, sin

import numpy as np

from taplab.data.synthetic import models
from taplab.data.synthetic.parts import CAR_BODY, Model, merged, moved
from taplab.data.synthetic.street import Neighbourhood
from taplab.data.synthetic.view import CameraPath

REACH = 110.0  # metres ahead of the camera that are peopled
CAR, WALKER, RIDER = "car", "walker", "rider"


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


def _row_things(place: Neighbourhood, row: Convoy, camera: float, time: float) -> list[Model]:
    shift = row.speed * time
    first = floor((camera - 3.0 - shift) / row.cell)
    last = floor((camera + REACH - shift) / row.cell)
    members = (_member(place, row, cell) for cell in range(first, last + 1))
    return [_along(row, member, time) for member in members if member is not None]


def _companions(place: Neighbourhood, path: CameraPath, time: float) -> list[Model]:
    """A car that drives ahead and a bicyclist at the kerb, now nearer, now further."""
    rng = np.random.default_rng([place.seed, 7])
    a, b = rng.uniform(0, 2 * pi, 2)
    z = path.z(time)
    gap = rng.uniform(17, 24) + 5.0 * sin(0.55 * time + a)
    ours = place.driving_side
    car = _driven(int(rng.integers(1 << 30)), 0.0, ours * 1.7 + 0.1 * sin(0.5 * time), z + gap)
    ahead = z + rng.uniform(10, 13) + 3.0 * sin(0.8 * time + b)
    cyclist = models.rider(int(rng.integers(1 << 30)), 1.7 * ahead + 2.0 * time, -0.15 * ours)
    return [car, moved(cyclist, ours * 3.0 + 0.12 * sin(1.1 * time + b), ahead)]


def _crossing(place: Neighbourhood, path: CameraPath, number: int, time: float) -> Model | None:
    """Somebody who crosses the road, in the middle of our lane at about ``2.6 * number`` seconds."""
    rng = np.random.default_rng([place.seed, 8, number + 8])
    meet = 2.6 * number + rng.uniform(0.5, 1.8)
    rides = rng.uniform() < 0.3
    pace = rng.uniform(2.8, 4.0) if rides else rng.uniform(1.2, 2.3)
    way = int(rng.choice([-1, 1]))
    z = path.z(meet) + 5.5 + path.speed * (0.9 if rides else 1.3) + rng.uniform(0, 7)
    seed = int(rng.integers(1 << 30))
    limit = 30.0 if rides else place.front - 0.4
    x = place.driving_side * 1.7 + way * pace * (time - meet)
    if abs(x) > 40.0:
        return None
    x = min(max(x, -limit), limit)
    if rides:
        return None if abs(x) > place.front else moved(models.rider(seed, 1.7 * x * way, way), x, z)
    return moved(models.walker(seed, 3.0 * x * way, way), x, z)


def moving_things(place: Neighbourhood, path: CameraPath, time: float) -> Model:
    """All that moves near the camera at ``time``."""
    things = _companions(place, path, time)
    for row in convoys(place):
        things += _row_things(place, row, path.z(time), time)
    around = floor(time / 2.6)
    crossing = (_crossing(place, path, number, time) for number in range(around - 3, around + 4))
    return merged([*things, *(thing for thing in crossing if thing is not None)])
