"""Class lists of the data sets: names, colours and the ids in label files. Facts, none of it chosen here."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from taplab.errors import SettingError, SourceError
from taplab.types import IGNORE, Palette
from taplab.words import counted


@dataclass(frozen=True)
class ClassList:
    """names: in the order of the class ids. palette: RGB of each. void: ids in label files that mean no class."""

    names: tuple[str, ...]
    palette: Palette
    void: tuple[int, ...] = (IGNORE,)


_CAMVID = {
    "sky": (128, 128, 128),
    "building": (128, 0, 0),
    "pole": (192, 192, 128),
    "road": (128, 64, 128),
    "pavement": (60, 40, 222),
    "tree": (128, 128, 0),
    "sign": (192, 128, 128),
    "fence": (64, 64, 128),
    "car": (64, 0, 128),
    "pedestrian": (64, 64, 0),
    "bicyclist": (0, 128, 192),
}
CAMVID = ClassList(tuple(_CAMVID), tuple(_CAMVID.values()), void=(11, IGNORE))

# RGB in CamVid's colour labels: its name among the 32 classes, and among the 11 that SegNet grouped them into.
CAMVID_COLOURS: dict[tuple[int, int, int], tuple[str, str | None]] = {
    (128, 128, 128): ("Sky", "sky"),
    (128, 0, 0): ("Building", "building"),
    (64, 192, 0): ("Wall", "building"),
    (0, 128, 64): ("Bridge", "building"),
    (64, 0, 64): ("Tunnel", "building"),
    (192, 0, 128): ("Archway", "building"),
    (192, 192, 128): ("Column_Pole", "pole"),
    (0, 0, 64): ("TrafficCone", "pole"),
    (128, 64, 128): ("Road", "road"),
    (128, 0, 192): ("LaneMkgsDriv", "road"),
    (192, 0, 64): ("LaneMkgsNonDriv", "road"),
    (0, 0, 192): ("Sidewalk", "pavement"),
    (64, 192, 128): ("ParkingBlock", "pavement"),
    (128, 128, 192): ("RoadShoulder", "pavement"),
    (128, 128, 0): ("Tree", "tree"),
    (192, 192, 0): ("VegetationMisc", "tree"),
    (192, 128, 128): ("SignSymbol", "sign"),
    (128, 128, 64): ("Misc_Text", "sign"),
    (0, 64, 64): ("TrafficLight", "sign"),
    (64, 64, 128): ("Fence", "fence"),
    (64, 0, 128): ("Car", "car"),
    (64, 128, 192): ("SUVPickupTruck", "car"),
    (192, 128, 192): ("Truck_Bus", "car"),
    (192, 64, 128): ("Train", "car"),
    (128, 64, 64): ("OtherMoving", "car"),
    (64, 64, 0): ("Pedestrian", "pedestrian"),
    (192, 128, 64): ("Child", "pedestrian"),
    (64, 0, 192): ("CartLuggagePram", "pedestrian"),
    (64, 128, 64): ("Animal", "pedestrian"),
    (0, 128, 192): ("Bicyclist", "bicyclist"),
    (192, 0, 192): ("MotorcycleScooter", "bicyclist"),
    (0, 0, 0): ("Void", None),
}

# Name, RGB, and id in the *_labelIds.png files; the place in this table is the trainId.
_CITYSCAPES = {
    "road": ((128, 64, 128), 7),
    "sidewalk": ((244, 35, 232), 8),
    "building": ((70, 70, 70), 11),
    "wall": ((102, 102, 156), 12),
    "fence": ((190, 153, 153), 13),
    "pole": ((153, 153, 153), 17),
    "traffic light": ((250, 170, 30), 19),
    "traffic sign": ((220, 220, 0), 20),
    "vegetation": ((107, 142, 35), 21),
    "terrain": ((152, 251, 152), 22),
    "sky": ((70, 130, 180), 23),
    "person": ((220, 20, 60), 24),
    "rider": ((255, 0, 0), 25),
    "car": ((0, 0, 142), 26),
    "truck": ((0, 0, 70), 27),
    "bus": ((0, 60, 100), 28),
    "train": ((0, 80, 100), 31),
    "motorcycle": ((0, 0, 230), 32),
    "bicycle": ((119, 11, 32), 33),
}
CITYSCAPES = ClassList(tuple(_CITYSCAPES), tuple(colour for colour, _ in _CITYSCAPES.values()))
CITYSCAPES_LABEL_IDS = tuple(label_id for _, label_id in _CITYSCAPES.values())  # of each trainId; 0 to 33 in all
CITYSCAPES_LAST_ID = 33

NAMED = {"camvid": CAMVID, "cityscapes": CITYSCAPES}


def class_list(classes: str | Path) -> ClassList:
    """The list called "camvid" or "cityscapes", or that of a text file with one class name a line.

    Raises SettingError if ``classes`` is none of these, SourceError if the file is no such list.
    """
    if str(classes) in NAMED:
        return NAMED[str(classes)]
    file = Path(classes)
    if not file.is_file():
        raise SettingError(f"classes {classes}: write {', '.join(NAMED)}, or a text file with one class name a line")
    try:
        names = tuple(line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{file}: cannot be read as a text file with one class name a line") from error
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise SourceError(f"{file}: class {twice[0]!r} is named twice; give each class a line of its own name")
    if not 2 <= len(names) <= IGNORE:
        raise SourceError(f"{file}: {counted(len(names), 'class name')}; write 2 to {IGNORE}, one a line")
    return named(names)


def named(names: Sequence[str]) -> ClassList:
    """The known list of these names, or one with colours made for it."""
    from taplab.palettes import palette_for

    known = [known for known in NAMED.values() if known.names == tuple(names)]
    return known[0] if known else ClassList(tuple(names), palette_for(len(names)))
