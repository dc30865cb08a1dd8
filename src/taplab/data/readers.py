"""Label images as class ids. What a file holds beyond the known ids or colours is an error, never silently ignored."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NoReturn, Protocol

import numpy as np
from numpy.typing import NDArray

from taplab.data.images import opened
from taplab.errors import SourceError
from taplab.types import IGNORE, Labels

_COLOUR_MODES = {"RGB", "RGBA", "P", "PA"}


class LabelReader(Protocol):
    """Reads a label image."""

    def __call__(self, file: Path) -> Labels:
        """uint8 ``[H, W]`` class ids, ``IGNORE`` (255) where there is no class.

        Raises SourceError that names file, value and remedy if the file holds something else.
        """


@dataclass(frozen=True, eq=False)
class Ids:
    """Reads one channel of ids. classes: class id, or ``IGNORE``, of every id that may stand in a file."""

    classes: Mapping[int, int]
    remedy: str

    def __call__(self, file: Path) -> Labels:
        """uint8 ``[H, W]``. Raises SourceError."""
        ids = _one_channel(file)
        small = ids if ids.dtype == np.uint8 else np.where((ids >= 0) & (ids <= IGNORE), ids, -1).astype(np.int16)
        known = self._known[small]
        if not known.all():
            value = int(ids[~known][0])
            _refuse(file, ~known, f"id {value}", f"none of {_ranges(self.classes)}; {self.remedy}")
        return self._table[small]

    @cached_property
    def _known(self) -> NDArray[np.bool_]:
        """bool ``[257]``; the last is for ids that are no byte."""
        known = np.zeros(IGNORE + 2, np.bool_)
        known[list(self.classes)] = True
        return known

    @cached_property
    def _table(self) -> Labels:
        table = np.full(IGNORE + 2, IGNORE, np.uint8)
        table[list(self.classes)] = list(self.classes.values())
        return table


def plain_ids(count: int, void: Iterable[int] = (IGNORE,)) -> Ids:
    """Reads files that hold the class ids 0 .. count-1 themselves; the ids in ``void`` mean no class."""
    ignored = dict.fromkeys(void, IGNORE)
    return Ids(ignored | {i: i for i in range(count)}, f"write {IGNORE} for no class, or add the class to the list")


@dataclass(frozen=True, eq=False)
class Colours:
    """Reads colour labels. classes: class id, or ``IGNORE``, of every RGB colour that may stand in a file."""

    classes: Mapping[tuple[int, int, int], int]
    remedy: str

    def __call__(self, file: Path) -> Labels:
        """uint8 ``[H, W]``. Raises SourceError."""
        with opened(file) as image:
            mode = image.mode
            rgb = np.array(image.convert("RGB")).astype(np.int32)
        if mode not in _COLOUR_MODES:
            raise SourceError(f"{file}: one channel of ids (mode {mode}), but colour labels were expected")
        packed = _packed(rgb)
        place = np.minimum(np.searchsorted(self._keys, packed), len(self._keys) - 1)
        unknown = self._keys[place] != packed
        if unknown.any():
            value = tuple(int(v) for v in rgb[unknown][0])
            grey = bool((rgb == rgb[..., :1]).all())
            remedy = "its three channels are equal: if they hold class ids, save one channel" if grey else self.remedy
            _refuse(file, unknown, f"colour {value}", f"none of the {len(self.classes)} known; {remedy}")
        return self._values[place]

    @cached_property
    def _keys(self) -> NDArray[np.int32]:
        """The colours as numbers, ascending."""
        return _packed(np.array(sorted(self.classes), np.int32))

    @cached_property
    def _values(self) -> Labels:
        return np.array([self.classes[colour] for colour in sorted(self.classes)], np.uint8)


def _packed(rgb: NDArray[np.int32]) -> NDArray[np.int32]:
    return rgb[..., 0] << 16 | rgb[..., 1] << 8 | rgb[..., 2]


def _one_channel(file: Path) -> NDArray[np.integer]:
    """Integers ``[H, W]``; of an image with a palette the indices."""
    with opened(file) as image:
        ids, mode = np.array(image), image.mode
    if ids.ndim != 2 or ids.dtype.kind not in "bui":
        raise SourceError(f"{file}: mode {mode}, but labels must be one channel of class ids")
    return ids.astype(np.uint8) if ids.dtype.kind == "b" else ids


def _refuse(file: Path, where: NDArray[np.bool_], what: str, why: str) -> NoReturn:
    row, column = (int(v) for v in np.argwhere(where)[0])
    raise SourceError(f"{file}: {what} at row {row}, column {column} ({int(where.sum())} such pixels) is {why}")


def _ranges(ids: Iterable[int]) -> str:
    """ "0 to 11, 255" for 0, 1, ..., 11, 255."""
    runs: list[list[int]] = []
    for i in sorted(ids):
        if runs and i == runs[-1][1] + 1:
            runs[-1][1] = i
        else:
            runs.append([i, i])
    return ", ".join(str(a) if a == b else f"{a} to {b}" for a, b in runs)
