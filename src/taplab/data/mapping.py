"""Labels of one class list read in the classes of another, by name."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from taplab.data.classes import CAMVID, CITYSCAPES, named
from taplab.data.clips import ClipSet, LabelledClip, digest
from taplab.errors import SettingError
from taplab.types import IGNORE, Labels, Rgb

# Cityscapes' classes among CamVid's 11, as SegNet grouped CamVid's own 32. CamVid has nothing like terrain.
_CITYSCAPES_IN_CAMVID = {
    "road": "road",
    "sidewalk": "pavement",
    "building": "building",
    "wall": "building",
    "fence": "fence",
    "pole": "pole",
    "traffic light": "sign",
    "traffic sign": "sign",
    "vegetation": "tree",
    "sky": "sky",
    "person": "pedestrian",
    "rider": "bicyclist",
    "car": "car",
    "truck": "car",
    "bus": "car",
    "train": "car",
    "motorcycle": "bicyclist",
    "bicycle": "bicyclist",
}


@dataclass(frozen=True, eq=False)
class MappedClip:
    """A clip with other class ids. ids: new class id, or ``IGNORE``, of each old one, in their order."""

    original: LabelledClip
    ids: tuple[int, ...]

    @property
    def name(self) -> str:
        """That of the original."""
        return self.original.name

    @property
    def identity(self) -> str:
        """Hash of the original's and of the mapping."""
        return digest(self.original.identity, self.ids)

    @property
    def fps(self) -> float:
        """Frames a second."""
        return self.original.fps

    @property
    def size(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.original.size

    @property
    def labelled(self) -> tuple[int, ...]:
        """Positions of the frames that have labels, ascending."""
        return self.original.labelled

    def __len__(self) -> int:
        return len(self.original)

    def frame(self, index: int) -> Rgb:
        """uint8 ``[H, W, 3]``."""
        return self.original.frame(index)

    def truth(self, index: int) -> Labels:
        """uint8 ``[H, W]``."""
        return self._table[self.original.truth(index)]

    @cached_property
    def _table(self) -> Labels:
        table = np.full(IGNORE + 1, IGNORE, np.uint8)
        table[: len(self.ids)] = self.ids
        return table


def unmapped(clip: LabelledClip) -> LabelledClip:
    """The clip with its own class ids."""
    return clip.original if isinstance(clip, MappedClip) else clip


def in_classes_of(clips: ClipSet, classes: Sequence[str]) -> tuple[ClipSet, list[str]]:
    """The clips with their labels read in ``classes``, and notes which classes were merged or left out.

    Classes of the same name are the same; Cityscapes' classes are also grouped into CamVid's 11. Labels of other
    classes become ``IGNORE``. Labels are mapped when they are read.
    Raises SettingError if fewer than two of ``classes`` are among those of the clips.
    """
    wanted = tuple(classes)
    if wanted == clips.classes:
        return clips, []
    grouped = _CITYSCAPES_IN_CAMVID if (clips.classes, wanted) == (CITYSCAPES.names, CAMVID.names) else {}
    target = {name: grouped.get(name, name) for name in clips.classes}
    sources: dict[str, list[str]] = defaultdict(list)
    for name in clips.classes:
        if target[name] in wanted:
            sources[target[name]].append(name)
    if len(sources) < 2:
        raise SettingError(
            f"{clips.name}: of the model's classes ({', '.join(wanted)}) {len(sources)} are among those of the labels "
            f"({', '.join(clips.classes)}); choose a model with the labels' classes"
        )
    ids = tuple(wanted.index(target[name]) if target[name] in wanted else IGNORE for name in clips.classes)
    mapped = [MappedClip(clip, ids) for clip in clips.clips]
    notes = _notes(clips.classes, wanted, sources)
    return ClipSet(clips.name, wanted, named(wanted).palette, mapped, clips.notes), notes


def _notes(before: Sequence[str], after: Sequence[str], sources: Mapping[str, Sequence[str]]) -> list[str]:
    """Such as "sign: traffic light, traffic sign", "not scored: terrain"."""
    notes = [f"{name}: {', '.join(names)}" for name, names in sources.items() if list(names) != [name]]
    used = {name for names in sources.values() for name in names}
    left_out = [name for name in before if name not in used]
    absent = [name for name in after if name not in sources]
    notes += [f"not scored: {', '.join(left_out)}"] if left_out else []
    return notes + ([f"never in the labels: {', '.join(absent)}"] if absent else [])
