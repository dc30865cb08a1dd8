"""A folder of images beside a folder of label images."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from taplab.errors import SourceError
from taplab.types import IGNORE, Labels, Palette, Rgb

_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm"}


class Labelled(Protocol):
    """Images with labels: what training and evaluation work on."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names, in the order of the label ids."""

    @property
    def palette(self) -> Palette:
        """RGB of each class."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> tuple[Rgb, Labels]:
        """RGB uint8 ``[H, W, 3]`` and labels uint8 ``[H, W]``."""


def image_files(folder: Path) -> list[Path]:
    """The images of ``folder`` in name order. Raises SourceError if there are none."""
    if not folder.is_dir():
        raise SourceError(f"{folder}: no such folder of images")
    files = sorted(f for f in folder.iterdir() if f.suffix.lower() in _SUFFIXES)
    if not files:
        kinds = ", ".join(sorted(_SUFFIXES))
        raise SourceError(f"{folder}: no images in it (looked for {kinds})")
    return files


class LabelledImages:
    """Images and labels paired by stem, in name order.

    Label images hold class ids; every id outside the class list is read as ``IGNORE`` (255).
    Raises SourceError if a folder is missing or empty, or an image has no labels.
    """

    def __init__(self, images: Path, labels: Path, classes: Sequence[str], palette: Palette) -> None:
        self.classes = tuple(classes)
        self.palette = palette
        self.images = image_files(images)
        by_stem = {f.stem: f for f in image_files(labels)}
        missing = [f.name for f in self.images if f.stem not in by_stem]
        if missing:
            raise SourceError(f"{labels}: no labels for {missing[0]} ({len(missing)} of {len(self.images)} missing)")
        self.labels = [by_stem[f.stem] for f in self.images]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Rgb, Labels]:
        """RGB uint8 ``[H, W, 3]`` and labels uint8 ``[H, W]``."""
        with Image.open(self.images[index]) as image:
            rgb = np.array(image.convert("RGB"))
        return rgb, self.load_labels(index)

    def load_labels(self, index: int) -> Labels:
        """Labels uint8 ``[H, W]``, ``IGNORE`` where the id is no class."""
        with Image.open(self.labels[index]) as image:
            labels = np.array(image, dtype=np.uint8)
        if labels.ndim != 2:
            raise SourceError(f"{self.labels[index]}: labels must be one channel of class ids")
        return np.where(labels < len(self.classes), labels, np.uint8(IGNORE))
