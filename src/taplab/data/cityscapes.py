"""Cityscapes with its 19 classes, as published, or as folders of single snippets."""

from collections.abc import Container, Mapping
from pathlib import Path
from typing import Literal

from taplab.data.classes import CITYSCAPES, CITYSCAPES_LABEL_IDS, CITYSCAPES_LAST_ID
from taplab.data.clips import ClipSet, FileClip, spread
from taplab.data.images import found_in, is_image
from taplab.data.labelled import LabelledFiles, pairs_of
from taplab.data.readers import Ids, plain_ids
from taplab.errors import SettingError, SourceError
from taplab.types import IGNORE, Labels

CLASSES, PALETTE = CITYSCAPES.names, CITYSCAPES.palette
FPS = 17.0
BEFORE, AFTER = 19, 10  # frames of a snippet around the labelled one, which is the 20th of 30

_IMAGE = "_leftImg8bit"
_LABELS = ("_gtFine_labelIds", "_gtFine_labelTrainIds")  # the first that is there is taken
_LOOKED_FOR = (
    "gtFine/{split}/CITY/*_gtFine_labelIds.png with {images}/{split}/CITY/*_leftImg8bit.png, "
    "or folders that hold frames/ and gt/"
)

_VOID = dict.fromkeys((*range(CITYSCAPES_LAST_ID + 1), IGNORE), IGNORE)
_LABEL_IDS = Ids(
    _VOID | {label_id: train_id for train_id, label_id in enumerate(CITYSCAPES_LABEL_IDS)},
    "is this a file of Cityscapes' label ids?",
)
_TRAIN_IDS = Ids(
    plain_ids(len(CLASSES)).classes, "if these are Cityscapes' label ids, let the file's name end in _labelIds"
)

Images = Literal["leftImg8bit", "leftImg8bit_sequence"]


def read_labels(file: Path) -> Labels:
    """trainIds, uint8 ``[H, W]``, of a ``*_labelIds`` file or of one that holds trainIds. Raises SourceError."""
    return _LABEL_IDS(file) if file.stem.endswith("labelIds") else _TRAIN_IDS(file)


def cityscapes(root: Path | str, split: str = "train") -> LabelledFiles:
    """The labelled images of ``split``, in name order: from ``leftImg8bit``, or else from ``leftImg8bit_sequence``.

    Raises SourceError if a folder or a file is missing, SettingError for the test split, or where folders of snippets
    are not divided into splits for one that is neither train nor val.
    """
    root = Path(root)
    _refuse_test(split)
    if not (root / "gtFine").is_dir():
        return _files([(clip.frames[i], clip.labels[i]) for clip in _snippets(root, split) for i in clip.labelled])
    images: Images = "leftImg8bit" if (root / "leftImg8bit" / split).is_dir() else "leftImg8bit_sequence"
    frames, labels = _by_place(root, images, split), _labels(root, split)
    if images == "leftImg8bit":
        _require_labels(root / "gtFine" / split, frames, labels)
    return _files([(_frame(frames, place, root / images), label) for place, label in labels.items()])


def cityscapes_clips(
    root: Path | str, split: str = "val", max_clips: int | None = None, *, stills: bool = False
) -> ClipSet:
    """The 30 frames around each labelled image, from ``leftImg8bit_sequence``, at 17 frames a second.

    max_clips: so many at most, spread evenly over the split. stills: where there is no ``leftImg8bit_sequence``,
    make clips of one frame from ``leftImg8bit``, fit for scores of every frame by itself and nothing else.
    Also takes folders of snippets, each with ``frames/`` and ``gt/``, directly in ``root`` or in ``root/split``.
    Raises SourceError if a folder or a file is missing, SettingError as ``cityscapes`` and for less than one clip.
    """
    root = Path(root)
    _refuse_test(split)
    if max_clips is not None and max_clips < 1:
        raise SettingError(f"max_clips={max_clips}: at least 1 clip is needed")
    if not (root / "gtFine").is_dir():
        clips = spread(_snippets(root, split), max_clips)
        return ClipSet("cityscapes-snippets", CLASSES, PALETTE, clips)
    moving = (root / "leftImg8bit_sequence" / split).is_dir()
    if not moving and not stills:
        raise SourceError(
            f"{root}: looked for leftImg8bit_sequence/{split}, the frames around the labelled ones; "
            f"found {found_in(root)}. Add Cityscapes' leftImg8bit_sequence, or score frames by themselves (--stills)"
        )
    images: Images = "leftImg8bit_sequence" if moving else "leftImg8bit"
    frames, labels = _by_place(root, images, split), _labels(root, split)
    before, after = (BEFORE, AFTER) if moving else (0, 0)
    near = {p for place in labels for p in _around(place, before, after)}
    _require_labels(root / "gtFine" / split, frames, near, before)
    chosen = spread(list(labels), max_clips)
    clips = [_clip(place, labels[place], frames, root / images, before, after) for place in chosen]
    notes = () if moving else ("single frames: no leftImg8bit_sequence",)
    return ClipSet(f"cityscapes-{split}", CLASSES, PALETTE, clips, notes)


def _clip(place: str, label: Path, frames: Mapping[str, Path], folder: Path, before: int, after: int) -> FileClip:
    files = [_frame(frames, p, folder) for p in _around(place, before, after)]
    return FileClip(place, FPS, files, {before: label}, read_labels)


def _around(place: str, before: int, after: int) -> list[str]:
    """Places from ``before`` frames before to ``after`` frames after CITY_SERIES_FRAME."""
    series, number = place.rsplit("_", 1)
    return [f"{series}_{n:0{len(number)}}" for n in range(int(number) - before, int(number) + after + 1)]


def _frame(frames: Mapping[str, Path], place: str, folder: Path) -> Path:
    if place not in frames:
        raise SourceError(f"{folder}: {place}{_IMAGE}.png is missing; unpack the whole archive there")
    return frames[place]


def _require_labels(folder: Path, frames: Mapping[str, Path], labelled: Container[str], before: int = 0) -> None:
    """before: frames of a snippet before the one that should have labels."""
    alone = [place for place in frames if place not in labelled]
    if alone:
        whole = _around(alone[0], 0, before)  # what is without labels begins with a snippet's first frame
        missing = whole[-1] if all(place in frames for place in whole) else alone[0]
        raise SourceError(
            f"{folder}: no labels for {missing} ({len(alone)} of {len(frames)} images); unpack all of gtFine there"
        )


def _labels(root: Path, split: str) -> dict[str, Path]:
    """Label files of a split by place: CITY_SERIES_FRAME, in name order."""
    for ending in _LABELS:
        found = _named(root / "gtFine" / split, ending)
        if found:
            return found
    raise _incomplete(root, split, root / "gtFine" / split)


def _by_place(root: Path, images: Images, split: str) -> dict[str, Path]:
    found = _named(root / images / split, _IMAGE)
    if not found:
        raise _incomplete(root, split, root / images / split, images)
    return found


def _named(folder: Path, ending: str) -> dict[str, Path]:
    files = sorted(f for f in folder.glob("*/*") if f.stem.endswith(ending) and is_image(f))
    return {file.stem.removesuffix(ending): file for file in files}


def _snippets(root: Path, split: str) -> list[FileClip]:
    """Folders with ``frames`` and ``gt``. Raises SourceError if there are none, SettingError for an unknown split."""
    folders = _snippet_folders(root / split)
    if not folders and (folders := _snippet_folders(root)) and split not in ("train", "val"):
        raise SettingError(
            f"split {split}: the snippets in {root} are in no split; choose train or val for all of them"
        )
    if not folders:
        raise _incomplete(root, split, root)
    return [_snippet(folder) for folder in folders]


def _snippet_folders(place: Path) -> list[Path]:
    return sorted(f.parent for f in place.glob("*/gt") if (f.parent / "frames").is_dir())


def _snippet(folder: Path) -> FileClip:
    pairs = pairs_of(folder / "frames", folder / "gt")
    labels = {i: label for i, (_, label) in enumerate(pairs) if label is not None}
    return FileClip(folder.name, FPS, [frame for frame, _ in pairs], labels, read_labels)


def _files(pairs: list[tuple[Path, Path]]) -> LabelledFiles:
    return LabelledFiles(pairs, CLASSES, PALETTE, read_labels)


def _refuse_test(split: str) -> None:
    if split == "test":
        raise SettingError("split test: Cityscapes keeps the labels of its test images; choose train or val")


def _incomplete(root: Path, split: str, where: Path, images: str = "leftImg8bit") -> SourceError:
    looked_for = _LOOKED_FOR.format(split=split, images=images)
    found = found_in(root) + (f", and in {where}: {found_in(where)}" if where != root else "")
    return SourceError(f"{root}: no split {split} of Cityscapes; looked for {looked_for}; found {found}")
