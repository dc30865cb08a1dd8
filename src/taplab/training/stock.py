"""Labelled images for training: looked through once, kept in memory as far as they fit, else read when asked for."""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from taplab.data.images import image_size, require_whole
from taplab.data.labelled import Labelled
from taplab.errors import SourceError
from taplab.types import IGNORE, Labels, Palette, Rgb

MEMORY = 2 << 30  # bytes: CamVid's 367 training images of 720x960 fit, Cityscapes' 2,975 of 1024x2048 (25 GB) do not
_AT_ONCE = 16  # pairs read ahead in the first pass


@runtime_checkable
class OnDisk(Protocol):
    """A ``Labelled`` in files, whose labels can be read without their images."""

    images: Sequence[Path]
    labels: Sequence[Path]

    def load_labels(self, index: int) -> Labels:
        """Labels uint8 ``[H, W]``."""


class Stock:
    """The pairs of image and labels of ``data``, called ``name`` in messages.

    One pass over the labels, before anything is trained, checks them and finds ``frequency``, each class's share of the
    labelled pixels (float ``[classes]``), ``sizes``, the (rows, columns) of each image, ``smallest``, those that every
    image has, and ``digest``, which is another for other labels. Images of up to ``memory`` bytes in all are kept, the
    others read again each time.
    Raises SourceError if there are no pairs, labels have another size than their image, ids are outside the class list,
    or nothing is labelled.
    """

    def __init__(self, data: Labelled, name: str = "training set", memory: int = MEMORY, threads: int = 4) -> None:
        if len(data) == 0:
            raise SourceError(f"the {name} is empty; give a split that has images")
        self.data, self.name = data, name
        self._kept: list[tuple[Tensor, Tensor]] = []
        counts: NDArray[np.int64] = np.zeros(len(data.classes), np.int64)
        digest = hashlib.sha256()
        self.sizes: list[tuple[int, int]] = []
        with ThreadPoolExecutor(threads) as pool:
            for first in range(0, len(data), _AT_ONCE):
                some = range(first, min(first + _AT_ONCE, len(data)))
                keep = memory > 0
                read = pool.map(self._read if keep else self._read_labels, some)
                for index, (rgb, labels) in zip(some, read, strict=True):
                    digest.update(labels.tobytes())
                    counts += self._count(labels, index)
                    self.sizes.append((labels.shape[0], labels.shape[1]))
                    if rgb is not None and keep:
                        self._kept.append(_tensors(rgb, labels))
                        memory -= rgb.nbytes + labels.nbytes
        if not counts.any():
            where = f"{_folder(data.labels)}: " if isinstance(data, OnDisk) else ""
            raise SourceError(f"{where}no pixel of the {name} has a label, all are {IGNORE}; give labels with classes")
        self.frequency = torch.from_numpy(counts / counts.sum()).float()
        self.digest = digest.hexdigest()
        self.smallest = min(rows for rows, _ in self.sizes), min(columns for _, columns in self.sizes)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names, in the order of the label ids."""
        return tuple(self.data.classes)

    @property
    def palette(self) -> Palette:
        """RGB of each class."""
        return self.data.palette

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Image uint8 ``[3, H, W]`` and labels uint8 ``[H, W]``; from any thread."""
        return self._kept[index] if index < len(self._kept) else _tensors(*self._read(index))

    def _read(self, index: int) -> tuple[Rgb, Labels]:
        rgb, labels = self.data[index]
        self._check_size(index, rgb.shape[:2], labels)
        return rgb, labels

    def _read_labels(self, index: int) -> tuple[Rgb | None, Labels]:
        """Labels alone where the data set can, with the image's size from its header: large images take long."""
        if not isinstance(self.data, OnDisk):
            return self._read(index)
        labels, image = self.data.load_labels(index), self.data.images[index]
        self._check_size(index, image_size(image), labels)
        require_whole(image)
        return None, labels

    def _check_size(self, index: int, size: tuple[int, ...], labels: Labels) -> None:
        if size != labels.shape:
            sizes = f"image of {size[0]}x{size[1]}, labels of {'x'.join(map(str, labels.shape))}"
            raise SourceError(f"{self.named(index)}: {sizes} (rows x columns); replace one of them")

    def named(self, index: int) -> str:
        """A pair, for messages: its image file, or its number."""
        return str(self.data.images[index]) if isinstance(self.data, OnDisk) else f"number {index} of the {self.name}"

    def _count(self, labels: Labels, index: int) -> NDArray[np.int64]:
        """Pixels of each class."""
        counts = np.bincount(labels.ravel(), minlength=256)
        beyond = np.flatnonzero(counts[len(self.classes) : IGNORE])
        if len(beyond):
            raise SourceError(
                f"{self.named(index)}: label id {beyond[0] + len(self.classes)}, "
                f"but there are {len(self.classes)} classes (and {IGNORE} for none)"
            )
        return counts[: len(self.classes)]


def _folder(files: Sequence[Path]) -> str:
    """Where all of them are."""
    return os.path.commonpath([file.parent for file in files])


def _tensors(rgb: Rgb, labels: Labels) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(rgb).permute(2, 0, 1).contiguous(), torch.from_numpy(labels)
