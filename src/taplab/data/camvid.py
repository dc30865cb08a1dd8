"""CamVid with 11 classes: the 360x480 tree of class ids, or 720x960 with labels in 32 colours."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from taplab.data.classes import CAMVID, CAMVID_COLOURS
from taplab.data.clips import ClipSet, FileClip, spread
from taplab.data.images import found_in, is_image
from taplab.data.labelled import LabelledFiles, LabelledImages, pairs_of
from taplab.data.readers import Colours, plain_ids
from taplab.errors import SettingError, SourceError
from taplab.types import IGNORE

CLASSES, PALETTE = CAMVID.names, CAMVID.palette
FPS = 30.0  # of the video from which the labelled frames were taken
BEFORE, AFTER = 19, 10  # frames of video around a labelled one, as in Cityscapes
LARGEST_STEP = 3  # video frames between labelled ones that still make a clip: 10 a second

SPLITS = ("train", "val", "test")
_RAW = (("701_StillsRaw_full", "LabeledApproved_full"), ("images", "labels"))
_TREE = "{split}/ with {split}annot/ (class ids) or {split}_labels/ (colours)"
_PLACE = re.compile(r"(0001TP|0006R0|0016E5|Seq05VD)_f?(\d+)$")

read_ids = plain_ids(len(CLASSES), CAMVID.void)
read_colours = Colours(
    {rgb: IGNORE if name is None else CLASSES.index(name) for rgb, (_, name) in CAMVID_COLOURS.items()},
    "paint it in one of CamVid's 32 colours, or (0, 0, 0) for no class",
)


def camvid(root: Path | str, split: str) -> LabelledFiles:
    """The labelled images of ``split``, in name order, in whichever layout ``root`` has.

    * ``split/`` and ``splitannot/`` (ids 0..10, 11 and 255 are void) or ``split_labels/`` (colours): any ``split``.
    * ``701_StillsRaw_full/`` and ``LabeledApproved_full/``, or ``images/`` and ``labels/``, in colours: train, val
      or test, as listed in ``train.txt``, ``val.txt``, ``test.txt`` (one stem a line) or else by SegNet's division.

    Raises SourceError if a folder or a file is missing or the split is empty.
    """
    root = Path(root)
    for labels, read in ((root / f"{split}annot", read_ids), (root / f"{split}_labels", read_colours)):
        if (root / split).is_dir() and labels.is_dir():
            return LabelledImages(root / split, labels, CLASSES, PALETTE, read)
    for images, colours in _RAW:
        if (root / images).is_dir() and (root / colours).is_dir():
            return LabelledFiles(_members(root, split, root / images, root / colours), CLASSES, PALETTE, read_colours)
    raw = " or ".join(f"{images}/ with {colours}/ (colours)" for images, colours in _RAW)
    looked_for = f"{_TREE.format(split=split)}, or {raw}"
    raise SourceError(f"{root}: no split {split} of CamVid; looked for {looked_for}; found {found_in(root)}")


def camvid_clips(
    root: Path | str,
    split: str,
    frames: Path | str | None = None,
    max_clips: int | None = None,
    *,
    stills: bool = False,
) -> ClipSet:
    """Clips around the labelled images of ``camvid(root, split)``.

    With ``frames``, a folder of the video's frames (``SEQUENCE_NUMBER.png`` or ``.jpg``, also in folders of its own;
    ``root/frames`` if that is there), each labelled image makes a clip of the up to 30 video frames around it.
    Without, labelled images that follow each other in the video, 15 a second in the validation split, make clips.
    stills: also take images that stand alone as clips of one frame, fit for scores of every frame by itself and
    nothing else; they are left out otherwise. max_clips: so many at most, spread evenly.
    Raises SourceError if a folder, a file or all motion is missing, SettingError for less than one clip.
    """
    if max_clips is not None and max_clips < 1:
        raise SettingError(f"max_clips={max_clips}: at least 1 clip is needed")
    data = camvid(root, split)
    if frames is None and (Path(root) / "frames").is_dir():
        frames = Path(root) / "frames"
    clips = _runs(data) if frames is None else _around(data, Path(frames))
    alone = sum(len(clip) == 1 for clip in clips)
    if not stills:
        clips = [clip for clip in clips if len(clip) > 1]
    if not clips:
        raise SourceError(
            f"{root}: no labelled images of {split} follow each other in the video; looked for its frames in "
            f"{frames or Path(root) / 'frames'}; give their folder (--frames), or score frames by themselves (--stills)"
        )
    notes = (f"{alone} single frames {'among the clips' if stills else 'left out'}",) if alone else ()
    return ClipSet(f"camvid-{split}", CLASSES, PALETTE, spread(clips, max_clips), notes)


def division(stem: str) -> str | None:
    """The split of a still by SegNet's division of the 701 (367 train, 101 val, 233 test), None for other names."""
    place = _place(stem)
    if place is None:
        return None
    if place.sequence == "Seq05VD" or (place.sequence == "0001TP" and place.number >= 8550):
        return "test"
    return "val" if place.sequence == "0016E5" and 7959 <= place.number <= 8159 else "train"


@dataclass(frozen=True)
class _Place:
    """Where in CamVid's video a frame is from."""

    sequence: str
    number: int


def _place(stem: str) -> _Place | None:
    match = _PLACE.match(stem)
    return _Place(match[1], int(match[2])) if match else None


def _members(root: Path, split: str, images: Path, labels: Path) -> list[tuple[Path, Path]]:
    """Pairs of the images of a split."""
    if split not in SPLITS:
        raise SettingError(f"split {split}: choose {', '.join(SPLITS)}")
    pairs = pairs_of(images, labels)
    stems = _listed(root / f"{split}.txt", {image.stem for image, _ in pairs}, images)
    if stems is None:
        unknown = [image for image, _ in pairs if division(image.stem) is None]
        if unknown:
            raise SourceError(
                f"{unknown[0]}: its name does not tell whether it is for training; write train.txt, val.txt and "
                f"test.txt with one stem a line into {root}"
            )
        stems = {image.stem for image, _ in pairs if division(image.stem) == split}
    for image, label in pairs:
        if image.stem in stems and label is None:
            raise SourceError(f"{labels}: no labels for {image.name} (looked for {image.stem}_L.png)")
    members = [(image, label) for image, label in pairs if image.stem in stems and label is not None]
    if not members:
        raise SourceError(f"{images}: no image of split {split} in it; found {found_in(images)}")
    return members


def _listed(file: Path, stems: set[str], images: Path) -> set[str] | None:
    """The stems that ``file`` lists, or None if there is no such file."""
    if not file.is_file():
        return None
    listed = [Path(line.split()[0]) for line in file.read_text().splitlines() if line.strip()]
    names = {name.stem if is_image(name) else name.name for name in listed}
    missing = sorted(names - stems)
    if missing:
        raise SourceError(f"{file}: lists {missing[0]}, but {images} has no such image ({len(missing)} are missing)")
    return names


def _runs(data: LabelledFiles) -> list[FileClip]:
    """Labelled images in a row: of one sequence, at one small step."""
    runs: list[list[int]] = []
    step = 0
    for i, image in enumerate(data.images):
        gap = _gap(data.images[i - 1], image) if i else 0
        if runs and 0 < gap <= LARGEST_STEP and (len(runs[-1]) == 1 or gap == step):
            runs[-1].append(i)
        else:
            runs.append([i])
        step = gap
    return [_run(data, run) for run in runs]


def _gap(before: Path, after: Path) -> int:
    """Video frames between two images, 0 if they are not of one sequence."""
    a, b = _place(before.stem), _place(after.stem)
    return b.number - a.number if a and b and a.sequence == b.sequence else 0


def _run(data: LabelledFiles, run: Sequence[int]) -> FileClip:
    images = [data.images[i] for i in run]
    labels = {at: data.labels[i] for at, i in enumerate(run)}
    step = _gap(images[0], images[1]) if len(run) > 1 else 1
    return FileClip(images[0].stem, FPS / step, images, labels, data.read)


def _around(data: LabelledFiles, folder: Path) -> list[FileClip]:
    """The video frames around each labelled image."""
    video = {_place(f.stem): f for pattern in ("*", "*/*") for f in sorted(folder.glob(pattern)) if is_image(f)}
    clips = []
    for image, label in zip(data.images, data.labels, strict=True):
        place = _place(image.stem)
        if place is None or place not in video:
            raise SourceError(f"{folder}: no video frame {image.stem}.png or .jpg; found {found_in(folder)}")
        before, after = (_unbroken(video, place, direction) for direction in (-1, 1))
        shown = [*reversed(before), video[place], *after]
        clips.append(FileClip(image.stem, FPS, shown, {len(before): label}, data.read))
    return clips


def _unbroken(video: dict[_Place | None, Path], place: _Place, direction: int) -> list[Path]:
    """Video frames next to ``place``, nearest first, up to the first that is missing."""
    most = BEFORE if direction < 0 else AFTER
    files = (video.get(_Place(place.sequence, place.number + direction * i)) for i in range(1, most + 1))
    return [file for file in takewhile(bool, files) if file]
