"""A folder of consecutive frames beside a folder of label images."""

from pathlib import Path

from taplab.data import camvid, cityscapes
from taplab.data.classes import CAMVID, CITYSCAPES, ClassList, class_list
from taplab.data.clips import ClipSet, FileClip
from taplab.data.images import opened
from taplab.data.labelled import LabelledImages, pairs_of
from taplab.data.readers import LabelReader, plain_ids
from taplab.errors import SettingError
from taplab.types import Labels


def sequence(images: Path | str, labels: Path | str, classes: str | Path = "camvid") -> LabelledImages:
    """Images, in name order, that all have labels.

    classes: "camvid", "cityscapes" or a text file with one class name a line. Label images hold class ids, and 255
    for no class; for CamVid also 11 for no class, or the 32 colours; for Cityscapes label ids if their names end in
    ``_labelIds``. See ``labelled.pairs_of`` for how they are named.
    Raises SourceError if a folder is missing or empty, or an image or a label image is alone; SettingError for
    unknown ``classes``.
    """
    known = class_list(classes)
    return LabelledImages(Path(images), Path(labels), known.names, known.palette, reader(known))


def sequence_clips(
    images: Path | str, labels: Path | str, classes: str | Path = "camvid", fps: float = 15.0
) -> ClipSet:
    """One clip of all images, of which at least one has labels; otherwise as ``sequence``.

    Raises SourceError also if no image has labels, SettingError also for a rate that is not above 0.
    """
    if not fps > 0:
        raise SettingError(f"fps={fps}: frames a second must be more than 0")
    images, labels, known = Path(images), Path(labels), class_list(classes)
    pairs = pairs_of(images, labels)
    label_of = {i: label for i, (_, label) in enumerate(pairs) if label is not None}
    clip = FileClip(images.name, fps, [image for image, _ in pairs], label_of, reader(known))
    notes = () if len(label_of) == len(pairs) else (f"{len(label_of)} of {len(pairs)} frames have labels",)
    return ClipSet(images.name, known.names, known.palette, [clip], notes)


def reader(known: ClassList) -> LabelReader:
    """How label images of these classes are read."""
    if known == CITYSCAPES:
        return cityscapes.read_labels
    return _read_camvid if known == CAMVID else plain_ids(len(known.names), known.void)


def _read_camvid(file: Path) -> Labels:
    """Class ids if the file has one channel (or a palette), else CamVid's colours."""
    with opened(file) as image:
        colours = image.mode in ("RGB", "RGBA")
    return camvid.read_colours(file) if colours else camvid.read_ids(file)
