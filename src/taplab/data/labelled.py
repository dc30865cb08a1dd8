"""Images with labels: files paired by name."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from taplab.data.classes import named
from taplab.data.images import found_in, image_files, read_rgb, require_size
from taplab.data.readers import LabelReader, plain_ids
from taplab.errors import SourceError
from taplab.types import Labels, Palette, Rgb

__all__ = ["Labelled", "LabelledFiles", "LabelledImages", "image_files", "pairs_of"]

_LABEL_ENDING = re.compile(r"(_gtFine)?_label(Train)?Ids$|_L$")


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


class LabelledFiles:
    """Pairs of an image file and a label file, read when asked for."""

    def __init__(
        self, pairs: Sequence[tuple[Path, Path]], classes: Sequence[str], palette: Palette, read: LabelReader
    ) -> None:
        self.images = [image for image, _ in pairs]
        self.labels = [labels for _, labels in pairs]
        self.classes, self.palette, self.read = tuple(classes), palette, read

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Rgb, Labels]:
        """RGB uint8 ``[H, W, 3]`` and labels uint8 ``[H, W]``. Raises SourceError if they differ in size."""
        rgb, labels = read_rgb(self.images[index]), self.load_labels(index)
        require_size(self.labels[index], labels.shape, self.images[index], rgb.shape)
        return rgb, labels

    def load_labels(self, index: int) -> Labels:
        """Labels uint8 ``[H, W]``, ``IGNORE`` where there is no class. Raises SourceError for an unknown id."""
        return self.read(self.labels[index])


class LabelledImages(LabelledFiles):
    """A folder of images beside a folder of label images, in name order, paired by ``pairs_of``.

    Without ``read``, label images hold class ids, and 255 (for CamVid's classes also 11) for no class.
    Raises SourceError if a folder is missing or empty, or an image or a label image is alone.
    """

    def __init__(
        self,
        images: Path,
        labels: Path,
        classes: Sequence[str],
        palette: Palette,
        read: LabelReader | None = None,
    ) -> None:
        pairs = pairs_of(images, labels)
        missing = [image.name for image, label in pairs if label is None]
        if missing:
            found = found_in(labels)
            raise SourceError(
                f"{labels}: no labels for {missing[0]} ({len(missing)} of {len(pairs)} missing; found {found})"
            )
        read = read or plain_ids(len(classes), named(classes).void)
        super().__init__([(image, label) for image, label in pairs if label is not None], classes, palette, read)


def pairs_of(images: Path, labels: Path) -> list[tuple[Path, Path | None]]:
    """Each image of a folder, in name order, with its label image if there is one.

    A label image has the stem of its image, or that and an ending: ``_L`` as in CamVid, ``_labelIds``, or
    ``_gtFine_labelIds`` instead of ``_leftImg8bit`` as in Cityscapes.
    Raises SourceError if a folder is missing or empty, both are the same, a label image has no image, or two have the
    same.
    """
    if images.resolve() == labels.resolve():
        raise SourceError(f"{labels}: given for the images and for their labels; give the labels a folder of their own")
    frames = {file.stem: file for file in image_files(images)}
    label_of: dict[str, Path] = {}
    for label in label_files(labels):
        stem = _image_stem(label, frames)
        if stem is None:
            raise SourceError(f"{label}: labels without an image in {images}; remove them or add the image")
        if stem in label_of:
            raise SourceError(f"{label}: {label_of[stem].name} is for the same image; remove one of them")
        label_of[stem] = label
    return [(file, label_of.get(stem)) for stem, file in frames.items()]


def label_files(folder: Path) -> list[Path]:
    """The label images of ``folder``: in a folder of Cityscapes' gtFine only those of ids. Raises SourceError."""
    files = image_files(folder)
    ids = [file for file in files if file.stem.endswith("_labelIds")]
    return ids or [file for file in files if file.stem.endswith("_labelTrainIds")] or files


def _image_stem(label: Path, frames: Mapping[str, Path]) -> str | None:
    short = _LABEL_ENDING.sub("", label.stem)
    return next((stem for stem in (label.stem, short, f"{short}_leftImg8bit") if stem in frames), None)
