"""What a training learns from and is validated on, by the names of the command line."""

from dataclasses import dataclass
from pathlib import Path

from taplab.data.camvid import camvid
from taplab.data.cityscapes import cityscapes
from taplab.data.labelled import Labelled, LabelledFiles
from taplab.data.sequence import sequence
from taplab.data.stills import SyntheticStills
from taplab.errors import SettingError, SourceError
from taplab.words import counted

DATA = ("camvid", "cityscapes", "sequence", "synthetic")


@dataclass(frozen=True)
class Sets:
    """origin: the training set in words. note: why there is nothing to validate on, if that was not asked for."""

    training: Labelled
    validation: Labelled | None
    origin: str
    note: str = ""


def splits_of(name: str, root: Path | None, split: str, validation: str | None) -> Sets:
    """Two splits of ``camvid`` or ``cityscapes`` below ``root``.

    validation: a split, ``none``, or None for ``val`` if it is there. Raises SourceError if a split cannot be read,
    SettingError without ``root``.
    """
    if root is None:
        raise SettingError(f"train {name}: say where it is with --root")
    read = {"camvid": camvid, "cityscapes": cityscapes}[name]
    training = read(root, split)
    origin = f"{name} ({split}, {counted(len(training), 'image')})"
    if validation == "none":
        return Sets(training, None, origin)
    try:
        held_out = read(root, validation or "val")
        _require_others(held_out, training, root, "another --validation")
        return Sets(training, held_out, origin)
    except SourceError as error:
        if validation is not None:
            raise
        return Sets(training, None, origin, f"no validation ({error})")


def folders(training: tuple[Path, Path], validation: tuple[Path, Path] | None, classes: str) -> Sets:
    """Folders of (images, labels). Raises SourceError if one cannot be read, SettingError for unknown ``classes``."""
    data = sequence(*training, classes)
    held_out = sequence(*validation, classes) if validation else None
    if validation and held_out:
        _require_others(held_out, data, validation[0], "other --validation-images")
    return Sets(data, held_out, f"images of the folder {training[0].name} ({len(data)})")


def _require_others(held_out: LabelledFiles, training: LabelledFiles, where: Path, remedy: str) -> None:
    """Raises SourceError for the same images, whatever they are called."""
    one, other = ({image.resolve() for image in some.images} for some in (held_out, training))
    if one == other:
        raise SourceError(f"{where}: the images to validate on are those to train on; give {remedy}")


def synthetic(drives: int) -> Sets:
    """Stills of ``drives`` synthetic drives, with seeds far from those of the demo and the tests."""
    training = SyntheticStills(range(1000, 1000 + drives), 384, 640)
    return Sets(
        training, SyntheticStills(range(2000, 2012), 384, 640), f"stills of {counted(drives, 'synthetic drive')}"
    )
