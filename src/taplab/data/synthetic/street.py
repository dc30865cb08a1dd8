"""The street itself: blocks of houses, fences, trees, poles, signs and parked cars, without end in both directions."""

from dataclasses import dataclass
from functools import lru_cache
from math import floor, pi

import numpy as np
from numpy.typing import NDArray

from taplab.data.synthetic import models
from taplab.data.synthetic.canvas import FAR
from taplab.data.synthetic.ground import BLOCK, CORNER, Street, side_street
from taplab.data.synthetic.parts import Model, merged, moved
from taplab.data.synthetic.view import Light

BEHIND = 20.0  # metres behind the camera that still count, for shadows and long houses
Rng = np.random.Generator
WALLS = [(150, 92, 74), (172, 150, 120), (196, 190, 178), (128, 84, 70), (160, 160, 158), (190, 168, 140)]
WALLS += [(206, 200, 170), (140, 120, 104), (176, 128, 104), (120, 124, 128)]
TRIMS = [(222, 220, 212), (198, 190, 172), (92, 82, 74), (168, 168, 166)]


@dataclass(frozen=True)
class Neighbourhood:
    """What all blocks of a street share."""

    seed: int
    ground: Street
    driving_side: int  # -1: traffic keeps left
    leafiness: float  # share of places for a tree that have one
    storeys: float  # mean number of floors
    parking: float  # share of kerb places with a car

    @property
    def front(self) -> float:
        """x of the houses' line, metres from the middle."""
        return self.ground.half_road + self.ground.pavement


def neighbourhood(rng: Rng, seed: int) -> Neighbourhood:
    """A random street."""
    slab = rng.uniform(132, 168) + rng.uniform(-9, 9, 3)
    ground = Street(
        half_road=float(rng.uniform(5.2, 6.2)),
        pavement=float(rng.uniform(3.2, 4.8)),
        asphalt=float(rng.uniform(98, 128)),
        slab_red=float(slab[0]),
        slab_green=float(slab[1]),
        slab_blue=float(slab[2]),
        slab=float(rng.choice([0.6, 0.9, 1.2])),
        corners=0.6,
        seed=seed % 65521,
    )
    side, leafy = int(rng.choice([-1, 1])), rng.uniform(0.25, 0.75)
    return Neighbourhood(seed, ground, side, leafy, rng.uniform(2.0, 4.2), rng.uniform(0.12, 0.5))


Roofs = NDArray[np.float64]  # [2 * BLOCK, 2]: x of the house front and height, each half metre; height 0: no house


@lru_cache(maxsize=64)
def block_model(place: Neighbourhood, block: int) -> tuple[Model, Roofs, Roofs]:
    """All still things of one block, and the houses' outlines of the left and the right side."""
    rng = np.random.default_rng([place.seed, 3, block + (1 << 20)])
    corner = side_street(place.ground, block)
    things: list[Model] = []
    roofs: list[Roofs] = []
    for side in (-1, 1):
        lots, outline = _lots(place, rng, side, corner)
        things += lots
        roofs.append(outline)
        things += _kerb(place, rng, side, corner)
    return moved(merged(things), 0.0, block * BLOCK), roofs[0], roofs[1]


def _lots(place: Neighbourhood, rng: Rng, side: int, corner: bool) -> tuple[list[Model], Roofs]:
    """Houses and gardens of one side, of gardens at least one."""
    outline = np.zeros((int(2 * BLOCK), 2))
    things: list[Model] = []
    z = CORNER if corner else 0.0
    fenced_at = z + rng.uniform(2, 18)
    while z < BLOCK - 0.5:
        garden = z >= fenced_at or rng.uniform() < 0.2
        length = rng.uniform(7, 11) if garden else rng.uniform(6.5, 15)
        if BLOCK - z - length < 5.0:
            length = BLOCK - z
        if garden:
            fenced_at = 1e9
            things += [moved(part, 0.0, z) for part in _garden(place, rng, side, length)]
        else:
            deep, back = rng.uniform(9, 13), float(rng.choice([0.0, 0.0, 0.6, 1.2]))
            height = 3.0 * max(1.6, place.storeys + rng.uniform(-1.2, 1.2)) + 0.8
            walls, trim = models.pick(rng, WALLS, 12), models.pick(rng, TRIMS, 8)
            home = models.house(rng, walls, trim, length, deep, height)
            things.append(moved(home, side * (place.front + back + 0.5 * deep), z + 0.5 * length))
            outline[int(2 * z) : int(2 * (z + length))] = (place.front + back, height)
        z += length
    return things, outline


def _garden(place: Neighbourhood, rng: Rng, side: int, length: float) -> list[Model]:
    """A fence with trees behind it, and the back of a house further on."""
    things = [moved(models.fence(rng, length), side * (place.front + 0.1), 0.5 * length)]
    for _ in range(2):
        crown = models.tree(rng, rng.uniform(5, 8))
        things.append(moved(crown, side * (place.front + rng.uniform(3, 7)), rng.uniform(0.2, 0.8) * length))
    walls = models.pick(rng, WALLS)
    home = models.house(rng, walls, models.pick(rng, TRIMS), length + 8.0, 8.0, rng.uniform(5, 8))
    return [*things, moved(home, side * (place.front + 17.0), 0.5 * length)]


def _kerb(place: Neighbourhood, rng: Rng, side: int, corner: bool) -> list[Model]:
    """What stands along the kerb of one side: lamps, signs, trees, parked cars."""
    start = CORNER + 6.0 if corner else 1.0
    edge = place.ground.half_road
    things: list[Model] = []
    for z in np.arange(start + (3.0 if side > 0 else 9.0), BLOCK - 1, 15.0):
        post = models.lamp(rng, side) if rng.uniform() < 0.8 else models.mast(rng)
        things.append(moved(post, side * (edge + 0.4), z + rng.uniform(-1, 1)))
    for z in np.array([start + 2.0, start + 17.0]) + rng.uniform(0, 11, 2):
        post = models.sign(rng)
        things.append(moved(post, side * (edge + 0.75), z))
    for z in np.arange(start + 5.0, BLOCK - 2, 9.0):
        if rng.uniform() < place.leafiness:
            crown = models.tree(rng, rng.uniform(4.5, 7.5))
            things.append(moved(crown, side * (edge + 1.1), z + rng.uniform(-1.5, 1.5)))
    for z in np.arange(start + 3.0, BLOCK - 2.5, 6.2):
        if rng.uniform() < place.parking:
            angle = (0.0 if side == place.driving_side else pi) + rng.uniform(-0.03, 0.03)
            things.append(moved(models.car(rng, angle), side * (edge - 1.1), z + rng.uniform(-0.4, 0.4)))
    return things


def visible(place: Neighbourhood, z: float) -> tuple[int, int]:
    """First and last block that a camera at ``z`` can see."""
    return floor((z - BEHIND) / BLOCK), floor((z + FAR) / BLOCK)


@lru_cache(maxsize=4)
def still_things(place: Neighbourhood, first: int, last: int) -> Model:
    """All still things of these blocks."""
    return merged(block_model(place, block)[0] for block in range(first, last + 1))


def house_shade(place: Neighbourhood, light: Light, z: float) -> NDArray[np.float32]:
    """How far the houses' shadows reach, each half metre from BEHIND behind ``z`` on; see `ground.sunlit`."""
    first, last = visible(place, z)
    side = 1 if light.sun_x < 0 else 2
    outline = np.concatenate([block_model(place, block)[side] for block in range(first, last + 1)])
    reach = outline[:, 1] * abs(light.sun_x) / light.sun_y
    edge = np.where(outline[:, 1] > 0, np.minimum(reach - outline[:, 0], 2.5), -30.0)
    start = first * BLOCK
    places = z - BEHIND + 0.5 * np.arange(2 * int(BEHIND + 200))
    shade: NDArray[np.float32] = np.interp(places, start + 0.5 * np.arange(len(edge)), edge).astype(np.float32)
    return shade
