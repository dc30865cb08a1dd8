"""Things that stand or move in a street, built from solids, cards and sticks around x = z = 0."""

from functools import lru_cache
from math import cos, pi, sin

import numpy as np

from taplab.data.synthetic import parts
from taplab.data.synthetic.parts import Model, merged, model

Colour = tuple[float, float, float]
Rng = np.random.Generator
Stick = tuple[float, ...]

BLACK: Colour = (30.0, 30.0, 33.0)
WHITE: Colour = (228.0, 228.0, 224.0)
RED: Colour = (196.0, 28.0, 34.0)
METAL: Colour = (118.0, 121.0, 122.0)
PAINTS = [(170, 22, 28), (205, 206, 208), (34, 36, 42), (36, 62, 128), (92, 98, 104), (226, 226, 222), (24, 84, 70)]
PAINTS += [(198, 160, 44), (120, 30, 62), (70, 118, 166), (146, 140, 124)]
CLOTHES = [(34, 40, 62), (150, 34, 40), (202, 200, 190), (60, 84, 62), (88, 66, 50), (204, 150, 52), (58, 110, 160)]
CLOTHES += [(28, 28, 30), (120, 120, 128), (164, 90, 130)]
SKINS = [(214, 168, 140), (176, 126, 96), (112, 76, 56), (228, 188, 164)]
HAIRS = [(40, 30, 26), (88, 58, 36), (160, 128, 80), (120, 118, 116)]
LEAVES = [(84, 112, 48), (66, 100, 50), (104, 122, 56), (92, 98, 44)]


def pick(rng: Rng, colours: list[tuple[int, int, int]], spread: float = 10.0) -> Colour:
    """One of ``colours``, shifted a little."""
    shift = rng.uniform(-spread, spread, 3).tolist()
    base = colours[rng.integers(len(colours))]
    red, green, blue = (min(max(part + by, 8.0), 245.0) for part, by in zip(base, shift, strict=True))
    return red, green, blue


def stick(u0: float, v0: float, u1: float, v1: float, radius: float, colour: Colour) -> Stick:
    """A stroke of a card."""
    return (u0, v0, u1, v1, radius, 0.0, 1.0, *colour)


def figure(label: int, sticks: list[Stick], dark: tuple[float, float, float] | None = None) -> Model:
    """A card of sticks; ``dark``: half width, half length and strength of its shadow."""
    card = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, parts.STICKS, label, 0, 0, len(sticks), *BLACK, *BLACK)
    return model(cards=[card], sticks=sticks, shadows=[(0.0, 0.0, *dark)] if dark else [])


def shadow(half_width: float, half_length: float, strength: float) -> Model:
    """A soft dark patch on the ground."""
    return model(shadows=[(0.0, 0.0, half_width, half_length, strength)])


def car(rng: Rng, angle: float) -> Model:
    """A saloon, an estate or a minibus that heads to ``angle`` (0: along z)."""
    paint = pick(rng, PAINTS)
    seed = int(rng.integers(1 << 20))
    wide, long = rng.uniform(0.84, 0.94), rng.uniform(1.85, 2.3)
    tall, share, rake, shift = 0.62, 0.66, rng.uniform(0.6, 1.0), -0.12 * long
    kind = rng.uniform()
    if kind < 0.3:
        share, rake = 0.8, 0.55
    elif kind < 0.42:
        tall, share, rake, shift, wide, long = 1.15, 0.94, 0.3, -0.02 * long, 0.98, 2.45
    belt = 0.84
    look = (seed, *paint, *BLACK)
    body = (0.0, 0.0, 0.0, angle, wide, long, belt, 0.05, 0.12, 0.0, parts.CAR_BODY, parts.CAR, *look)
    x, z = shift * sin(angle), shift * cos(angle)
    cabin = (x, belt, z, angle, wide - 0.05, share * long, tall, 0.22, rake, 0.0, parts.CAR_CABIN, parts.CAR, *look)
    along = abs(cos(angle))
    reach = (wide * along + long * (1 - along), long * along + wide * (1 - along))
    return merged([model(solids=[body, cabin]), shadow(reach[0] + 0.25, reach[1] + 0.25, 0.62)])


@lru_cache(maxsize=512)
def dress(seed: int) -> tuple[float, Colour, Colour, Colour, Colour, Colour]:
    """Height in metres of person ``seed``, colours of shirt, trousers, skin, hair, and of the bicycle."""
    rng = np.random.default_rng([seed, 1])
    clothes = pick(rng, CLOTHES), pick(rng, CLOTHES)
    return float(rng.uniform(1.5, 1.88)), *clothes, pick(rng, SKINS), pick(rng, HAIRS), pick(rng, PAINTS)


def walker(seed: int, stride: float, heading: float) -> Model:
    """A person whose legs have swung to ``stride`` (radians); ``heading``: -1 to the left .. 1 to the right."""
    h, shirt, trousers, skin, hair, _ = dress(seed)
    side = 0.25 + 0.75 * abs(heading)
    apart = 0.085 * (1 - abs(heading))
    lean = 0.05 * heading
    hip, neck = 0.5 * h, 0.83 * h
    limbs: list[Stick] = []
    for leg in (-1, 1):
        swing = sin(stride) * leg
        u = apart * leg
        knee = (u + 0.13 * side * swing + 0.04 * heading, 0.27 * h)
        foot = (u + 0.3 * side * swing, 0.05 + 0.12 * max(0.0, cos(stride) * leg))
        limbs += [stick(u, hip, *knee, 0.08, trousers), stick(*knee, *foot, 0.06, trousers)]
        limbs.append(stick(foot[0], foot[1] - 0.02, foot[0] + 0.09 * heading, foot[1] - 0.02, 0.05, BLACK))
    arms: list[Stick] = []
    for arm in (-1, 1):
        u = (0.2 * (1 - abs(heading)) + 0.04) * arm
        hand = (u + 0.24 * side * sin(stride) * -arm + 0.05 * heading, 0.47 * h)
        elbow = (0.5 * (u + hand[0]) - 0.04 * heading, 0.62 * h)
        arms += [stick(u * 0.9 + lean, neck - 0.06, *elbow, 0.05, shirt), stick(*elbow, *hand, 0.042, shirt)]
        arms.append(stick(*hand, *hand, 0.05, skin))
    broad = 0.12 + 0.06 * (1 - abs(heading))
    torso = [stick(0.0, hip + 0.02, lean, neck - 0.1, broad, shirt), stick(lean, neck, lean, neck + 0.04, 0.06, skin)]
    head = [stick(lean, 0.93 * h, lean, 0.94 * h, 0.105, hair)]
    head.append(stick(lean + 0.02 * heading, 0.915 * h, lean + 0.035 * heading, 0.93 * h, 0.09, skin))
    return figure(parts.PEDESTRIAN, limbs + arms[:3] + torso + arms[3:] + head, (0.35, 0.22, 0.4))


def rider(seed: int, turn: float, heading: float) -> Model:
    """A bicyclist with pedals at ``turn`` (radians); ``heading`` as of `walker`."""
    _, shirt, trousers, skin, hair, frame = dress(seed)
    s = heading if abs(heading) > 0.12 else 0.12
    flat = abs(s)
    wheels: list[Stick] = [(c * s * 0.53, 0.34, 0.0, 0.0, 0.03, 0.33, flat, *BLACK) for c in (-1.0, 1.0)]
    crank, saddle, fork = (0.0, 0.3), (-0.2 * s, 0.92), (0.4 * s, 0.95)
    tubes = [stick(*crank, *saddle, 0.026, frame), stick(*crank, *fork, 0.026, frame)]
    tubes += [stick(*saddle, *fork, 0.026, frame), stick(*fork, 0.53 * s, 0.34, 0.022, frame)]
    tubes += [stick(*crank, -0.53 * s, 0.34, 0.022, frame)]
    tubes.append(stick(fork[0] - 0.27 * (1 - flat), 1.02, fork[0] + 0.27 * (1 - flat), 1.02, 0.022, BLACK))
    hip, shoulder = (-0.18 * s, 1.02), (0.16 * s, 1.47)
    legs: list[list[Stick]] = []
    for leg in (-1, 1):
        foot = (0.17 * cos(turn) * leg * s + 0.09 * leg * (1 - flat), 0.3 - 0.17 * sin(turn) * leg)
        knee = (0.5 * (foot[0] + hip[0]) + 0.2 * s + 0.04 * leg * (1 - flat), 0.5 * (foot[1] + hip[1]) + 0.1)
        u = hip[0] + 0.08 * leg * (1 - flat)
        limb = [stick(u, hip[1], *knee, 0.085, trousers), stick(*knee, *foot, 0.06, trousers)]
        legs.append([*limb, stick(foot[0], foot[1] - 0.03, foot[0] + 0.1 * s, foot[1] - 0.03, 0.045, BLACK)])
    wide = 0.24 * (1 - flat)
    arms = [stick(shoulder[0] + a * 0.7 * wide, 1.42, fork[0] + a * wide, 1.05, 0.048, shirt) for a in (-1, 1)]
    body = [stick(*hip, *shoulder, 0.14 + 0.06 * (1 - flat), shirt)]
    head = [stick(0.22 * s, 1.68, 0.24 * s, 1.7, 0.115, frame if seed & 2 else hair)]
    head.append(stick(0.25 * s, 1.63, 0.26 * s, 1.65, 0.09, skin))
    sticks = wheels + legs[0] + tubes + arms[:1] + body + legs[1] + arms[1:] + head
    return figure(parts.BICYCLIST, sticks, (0.2 + 0.6 * flat, 0.7, 0.35))


def lamp(rng: Rng, side: int) -> Model:
    """A street lamp; its arm reaches over the road from the ``side`` (-1 left, 1 right)."""
    h, grey = rng.uniform(5.5, 7.5), pick(rng, [(96, 100, 100), (64, 70, 66), (134, 136, 136)], 6)
    arm = -1.4 * side
    sticks = [stick(0, 0, 0, 1.1, 0.1, grey), stick(0, 1, 0, h, 0.065, grey)]
    sticks += [stick(0, h, 0.4 * arm, h + 0.35, 0.045, grey), stick(0.4 * arm, h + 0.35, arm, h + 0.45, 0.045, grey)]
    sticks.append(stick(0.8 * arm, h + 0.4, 1.15 * arm, h + 0.44, 0.1, (200.0, 200.0, 188.0)))
    return figure(parts.POLE, sticks)


def mast(rng: Rng) -> Model:
    """A wooden telegraph pole."""
    h, wood = rng.uniform(7, 9), pick(rng, [(98, 80, 62), (84, 74, 64)], 6)
    sticks = [stick(0, 0, 0, h, 0.13, wood), stick(-0.8, h - 0.6, 0.8, h - 0.6, 0.06, wood)]
    return figure(parts.POLE, sticks)


def sign(rng: Rng) -> Model:
    """A traffic sign or a traffic light on its pole."""
    h = rng.uniform(2.1, 2.7)
    shape = int(rng.choice([parts.DISC, parts.TRIANGLE, parts.PLATE]))
    half, tall = rng.uniform(0.34, 0.46), 0.0
    tall = 1.75 * half if shape == parts.TRIANGLE else 2 * half
    face, edge = WHITE, RED
    if shape == parts.PLATE:
        half, tall = rng.uniform(0.3, 0.75), rng.uniform(0.5, 0.9)
        face, edge = ((24.0, 62.0, 150.0), WHITE) if rng.uniform() < 0.6 else ((22.0, 96.0, 58.0), WHITE)
    elif shape == parts.DISC and rng.uniform() < 0.35:
        face, edge = RED, WHITE
    seed = int(rng.integers(1 << 16))
    plate = (0.0, h - 0.1, -0.08, -half, half, tall, shape, parts.SIGN, seed, 0, 0, *face, *edge)
    pole = figure(parts.POLE, [stick(0, 0, 0, h + 0.2, 0.045, METAL)])
    return merged([pole, model(cards=[plate])])


def tree(rng: Rng, size: float) -> Model:
    """A tree of about ``size`` metres."""
    leaves, bark = pick(rng, LEAVES, 9), pick(rng, [(84, 70, 56), (70, 64, 58)], 8)
    radius, seed = size * rng.uniform(0.27, 0.36), int(rng.integers(1 << 12))
    foot = rng.uniform(0.28, 0.36) * size
    thick = 0.022 * size
    bend = rng.uniform(-0.15, 0.15)
    sticks = [stick(0, 0, bend, 0.6 * size, thick, bark)]
    for out, high in ((0.4, 0.65), (-0.5, 0.62)):
        sticks.append(stick(bend, foot, out * radius, high * size, 0.58 * thick, bark))
    trunk = figure(parts.TREE, sticks)
    look = (*leaves, *leaves)
    crowns = [
        (0.0, foot, back * radius, -radius, radius, size - foot, parts.CROWN, parts.TREE, seed + 5 * k, 0, 0, *look)
        for k, back in enumerate((-0.35, 0.35))
    ]
    return merged([trunk, model(cards=crowns), shadow(0.9 * radius, 0.9 * radius, 0.3)])


def fence(rng: Rng, length: float) -> Model:
    """A board fence along the street."""
    wood = pick(rng, [(126, 98, 70), (150, 146, 138), (92, 104, 88), (178, 172, 158)])
    half, height = 0.5 * length, rng.uniform(1.0, 1.9)
    seed = int(rng.integers(1 << 16))
    return model(solids=[(0, 0, 0, 0, 0.05, half, height, 0, 0, 0, parts.PLANKS, parts.FENCE, seed, *wood, *wood)])


def house(rng: Rng, walls: Colour, trim: Colour, length: float, depth: float, height: float) -> Model:
    """A house ``length`` metres along the street; some roofs are flat, some pitched."""
    seed = int(rng.integers(1 << 16))
    half, deep = 0.5 * length, 0.5 * depth
    body = (0, 0, 0, 0, deep, half, height, 0, 0, 0, parts.FACADE, parts.BUILDING, seed, *walls, *trim)
    if rng.uniform() < 0.35:
        return model(solids=[body])
    tiles = pick(rng, [(96, 92, 96), (128, 76, 60), (84, 70, 64)], 8)
    rise = rng.uniform(0.45, 0.75) * deep
    hip = float(rng.choice([0.0, 0.0, 0.6]))
    lean = (deep + 0.25) / rise
    roof = (0, height, 0, 0, deep + 0.25, half, rise * 0.97, lean, hip * lean, 0, parts.ROOF, parts.BUILDING, seed)
    return model(solids=[body, (*roof, *tiles, *tiles)])


def wheel_turn(distance: float) -> float:
    """Radians that a car's wheels have turned after ``distance`` metres."""
    return (distance / 0.31) % (2 * pi)
