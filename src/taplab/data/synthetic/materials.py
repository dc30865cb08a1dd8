"""How the walls of solids are coloured. Positions are metres from the solid's own middle, footprints metres a pixel."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from taplab.data.synthetic.parts import CAR_BODY, CAR_CABIN, FACADE, PLANKS
from taplab.data.synthetic.sampling import band, chance, kernel, mix, noise, stripes

Tile = NDArray[np.float32]
Colour = tuple[float, float, float]
Openings = tuple[float, float]  # share of frame or trim, share of glass
SEE_THROUGH = (-1.0, 0.0, 0.0)  # the ray goes on behind the solid
SIDE, END, TOP = range(3)  # which wall: along z, across z, or the lid

SILL = 0.85  # metres from a floor to its windows
WHEEL = 0.31  # metres, radius of a car's wheels
CLEARANCE = 0.22  # metres under a car


@kernel
def _bricks(u: float, v: float, fu: float, fv: float) -> float:
    """Share of mortar; 0.12 on average."""
    course = int(np.floor(v / 0.15))
    joints = max(stripes(v, fv, 0.15, 0.018), stripes(u + 0.2 * (course & 1), fu, 0.4, 0.018))
    fade = max(0.0, 1.0 - fv / 0.15) * max(0.0, 1.0 - fu / 0.4)
    return mix(0.12, joints, fade)


@kernel
def _window(u: float, v: float, floor: float, pitch: float, seed: int) -> float:
    """Brightness of a window pane at (u, v) metres."""
    column = int(np.floor(u / pitch))
    storey = int(np.floor(v / floor))
    tint = chance(column, storey, seed)
    slope = v / floor - storey
    return 42.0 + 55.0 * tint * tint + 45.0 * slope


@kernel
def _upper_floors(solid: Any, u: float, v: float, fu: float, fv: float, floor: float, pitch: float) -> Openings:
    """Rows of windows with a cross bar; u counts from the left edge of a window, v from its sill."""
    wide = pitch * (0.42 + 0.25 * chance(4, 2, solid.seed))
    tall = floor * (0.45 + 0.15 * chance(5, 2, solid.seed))
    u += 0.5 * wide
    v -= SILL
    frame = stripes(u + 0.09, fu, pitch, wide + 0.18) * stripes(v + 0.09, fv, floor, tall + 0.18)
    glass = stripes(u, fu, pitch, wide) * stripes(v, fv, floor, tall)
    glass *= 1.0 - 0.9 * stripes(u - 0.5 * wide + 0.03, fu, pitch, 0.06)
    below_eaves = band(v + SILL, fv, floor, solid.height - 0.5)
    return frame * below_eaves, glass * below_eaves


@kernel
def _shops(u: float, v: float, fu: float, fv: float, floor: float, pitch: float) -> Openings:
    """Wide panes under a fascia."""
    panes = stripes(u, fu, pitch, 0.8 * pitch) * band(v, fv, 0.45, 2.45)
    frame = stripes(u + 0.1, fu, pitch, 0.8 * pitch + 0.2) * band(v, fv, 0.45, 2.57)
    return max(frame, band(v, fv, 2.55, floor - 0.1)), panes


@kernel
def _doors(u: float, v: float, fu: float, fv: float, pitch: float) -> Openings:
    """Painted doors with a little glass."""
    door = stripes(u, fu, 2.0 * pitch, 1.0) * band(v, fv, 0.0, 2.1)
    frame = stripes(u + 0.1, fu, 2.0 * pitch, 1.2) * band(v, fv, 0.0, 2.22)
    return max(frame, door), 0.35 * door


@kernel
def _wall(solid: Any, tile: Tile, u: float, v: float, fu: float, fv: float, style: float) -> float:
    """Brightness of plaster, or of bricks, relative to the wall's colour."""
    foot = max(fu, fv)
    grain = 1.0 + 0.055 * noise(tile, u * 24.0 + 7.0 * solid.seed, v * 24.0, foot * 24.0)
    grain += 0.05 * noise(tile, u * 3.0, v * 3.0 + 5.0 * solid.seed, foot * 3.0)
    return grain * (1.04 - 0.3 * _bricks(u, v, fu, fv)) if style < 0.55 else grain


@kernel
def facade(solid: Any, tile: Tile, u: float, v: float, fu: float, fv: float) -> Colour:
    """A house front: a wall with rows of windows, a ground floor with doors or shops, a cornice."""
    style = chance(1, 2, solid.seed)
    floor = 2.8 + 0.7 * chance(2, 2, solid.seed)
    pitch = 1.9 + 1.6 * chance(3, 2, solid.seed)
    grain = _wall(solid, tile, u, v, fu, fv, style)
    if v >= floor:
        frame, glass = _upper_floors(solid, u, v, fu, fv, floor, pitch)
    elif style * 5.0 - int(style * 5.0) < 0.5:
        frame, glass = _shops(u, v, fu, fv, floor, pitch)
    else:
        frame, glass = _doors(u, v, fu, fv, pitch)
    frame = max(frame, band(v, fv, solid.height - 0.4, solid.height), 0.7 * band(v, fv, floor - 0.06, floor + 0.12))
    red = mix(solid.red * grain, solid.red2, frame)
    green = mix(solid.green * grain, solid.green2, frame)
    blue = mix(solid.blue * grain, solid.blue2, frame)
    if glass <= 0.0:
        return red, green, blue
    calm = min(1.0, 2.0 * max(fu, fv) / pitch)  # far windows all look alike
    pane = mix(_window(u + 0.5 * pitch, v - SILL, floor, pitch, solid.seed), 82.0, calm)
    return mix(red, pane * 0.9, glass), mix(green, pane * 0.98, glass), mix(blue, pane * 1.1, glass)


@kernel
def planks(solid: Any, tile: Tile, u: float, v: float, fu: float, fv: float) -> Colour:
    """A wooden fence: upright boards, two rails, some dirt."""
    foot = max(fu, fv)
    gap = stripes(u, fu, 0.24, 0.035)
    board = int(np.floor(u / 0.24))
    tone = 1.0 + 0.3 * (chance(board, 3, solid.seed) - 0.5) * max(0.0, 1.0 - fu / 0.24)
    tone += 0.10 * noise(tile, u * 40.0, v * 8.0, foot * 24.0)
    tone *= 1.0 - 0.6 * gap
    tone *= 1.0 + 0.18 * band(v, fv, solid.height - 0.1, solid.height) - 0.15 * band(v, fv, 0.0, 0.15)
    rail = band(v, fv, 0.3, 0.42) + band(v, fv, solid.height - 0.45, solid.height - 0.33)
    tone *= 1.0 - 0.2 * rail
    return solid.red * tone, solid.green * tone, solid.blue * tone


@kernel
def _wheel(solid: Any, z: float, y: float, foot: float) -> float:
    """-1 outside both wheels, else the brightness there (0..255)."""
    place = 0.62 * solid.half_length
    dz = abs(z) - place
    dy = y + solid.base - WHEEL
    reach = dz * dz + dy * dy
    if reach > WHEEL * WHEEL:
        return -1.0
    if reach > (0.62 * WHEEL) ** 2:
        return 24.0
    turn = np.arctan2(dy, dz * np.sign(z)) + solid.phase * np.sign(z)
    return float(120.0 + 45.0 * np.cos(5.0 * turn) * max(0.0, 1.0 - foot / 0.12))


@kernel
def car_body(solid: Any, wall: int, x: float, y: float, z: float, foot: float) -> Colour:
    """The lower half of a car: paint, doors, wheels, lamps, plate; nothing between the wheels."""
    under = y < CLEARANCE
    if wall == SIDE:
        wheel = _wheel(solid, z, y, foot)
        if wheel >= 0.0:
            return wheel, wheel, wheel * 1.03
        if under:
            return SEE_THROUGH
        seam = band(z, foot, -0.02, 0.02) + band(z, foot, 0.36 * solid.half_length, 0.36 * solid.half_length + 0.04)
        sheen = 1.0 - 0.45 * min(1.0, seam) - 0.3 * band(y, foot, CLEARANCE, CLEARANCE + 0.1)
        sheen *= 0.86 + 0.35 * (y - CLEARANCE) / solid.height
        return solid.red * sheen, solid.green * sheen, solid.blue * sheen
    if wall == TOP:
        return solid.red * 1.08, solid.green * 1.08, solid.blue * 1.08
    across = abs(x)
    if under:
        if across > solid.half_width - 0.24:
            return 22.0, 22.0, 23.0
        return SEE_THROUGH
    lamp = band(across, foot, solid.half_width - 0.36, solid.half_width - 0.08) * band(y, foot, 0.5, 0.66)
    plate = band(x, foot, -0.26, 0.26) * band(y, foot, 0.36, 0.48)
    dark = band(y, foot, CLEARANCE, 0.4) * 0.7
    if z > 0:
        dark = max(dark, 0.8 * band(across, foot, 0.0, 0.5) * band(y, foot, 0.5, 0.63))
    red, green, blue = mix(solid.red, 35.0, dark), mix(solid.green, 36.0, dark), mix(solid.blue, 38.0, dark)
    red, green, blue = mix(red, 225.0, plate), mix(green, 220.0, plate), mix(blue, 165.0, plate)
    if z > 0:
        return mix(red, 240.0, lamp), mix(green, 240.0, lamp), mix(blue, 228.0, lamp)
    return mix(red, 185.0, lamp), mix(green, 22.0, lamp), mix(blue, 24.0, lamp)


@kernel
def car_cabin(solid: Any, wall: int, x: float, y: float, z: float, foot: float) -> Colour:
    """The upper half of a car: dark glass between pillars, a painted roof."""
    if wall == TOP:
        return solid.red, solid.green, solid.blue
    along = z if wall == SIDE else x
    room = solid.half_length - solid.taper_z * y if wall == SIDE else solid.half_width - solid.taper_x * y
    glass = band(abs(along), foot, 0.0, room - 0.09) * band(y, foot, 0.04, solid.height - 0.08)
    if wall == SIDE:
        glass *= 1.0 - band(z, foot, -0.05, 0.05)
    shine = 44.0 + 60.0 * y / solid.height
    return mix(solid.red, shine, glass), mix(solid.green, shine * 1.05, glass), mix(solid.blue, shine * 1.12, glass)


@kernel
def surface(solid: Any, tile: Tile, wall: int, x: float, y: float, z: float, fu: float, fv: float) -> Colour:
    """The unlit colour of ``solid`` where a ray meets it, or SEE_THROUGH."""
    if solid.material == CAR_BODY:
        return car_body(solid, wall, x, y, z, max(fu, fv))
    if solid.material == CAR_CABIN:
        return car_cabin(solid, wall, x, y, z, max(fu, fv))
    along = z if wall == SIDE else x
    if solid.material == FACADE and wall != TOP:
        return facade(solid, tile, along, y, fu, fv)
    if solid.material == PLANKS:
        return planks(solid, tile, along, y, fu, fv)
    tone = 1.0 + 0.1 * noise(tile, x * 30.0, z * 30.0, 60.0 * fu) - 0.2 * stripes(y, fv, 0.35, 0.05)
    return solid.red * tone, solid.green * tone, solid.blue * tone
