"""CamVid with 11 classes, in the 360x480 layout of folders ``NAME`` and ``NAMEannot``."""

from pathlib import Path

from taplab.data.labelled import LabelledImages

CLASSES = (
    "sky",
    "building",
    "pole",
    "road",
    "pavement",
    "tree",
    "sign",
    "fence",
    "car",
    "pedestrian",
    "bicyclist",
)
PALETTE = (
    (128, 128, 128),
    (128, 0, 0),
    (192, 192, 128),
    (128, 64, 128),
    (60, 40, 222),
    (128, 128, 0),
    (192, 128, 128),
    (64, 64, 128),
    (64, 0, 128),
    (64, 64, 0),
    (0, 128, 192),
)


def camvid(root: Path | str, split: str) -> LabelledImages:
    """The images of ``root/split`` with the labels of ``root/splitannot`` (ids 0..10, 11 is void).

    Raises SourceError if a folder or a label file is missing.
    """
    root = Path(root)
    return LabelledImages(root / split, root / f"{split}annot", CLASSES, PALETTE)
