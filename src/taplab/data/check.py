"""What would go wrong after an hour, found before it starts."""

from collections.abc import Iterable

from taplab.data.clips import ClipSet, FileClip, LabelledClip, spread
from taplab.data.images import image_size, require_size, require_whole
from taplab.data.labelled import Labelled, LabelledFiles
from taplab.data.mapping import unmapped
from taplab.errors import SourceError

IDS_CHECKED = 1000  # label files: about 30 s of reading at 1024x2048


def check(data: ClipSet | Labelled) -> None:
    """Look at both ends of every image, and at every pixel of up to 1,000 label files spread evenly over the set.

    Raises SourceError that names the file: no image or one that was cut off, frames of a clip or labels and image of
    unequal size, clips of odd size, an id or colour that is no class; or an empty set. What is not looked at here is,
    when it is read.
    """
    if len(data.clips if isinstance(data, ClipSet) else data) == 0:
        name = data.name if isinstance(data, ClipSet) else "data set"
        raise SourceError(f"{name}: there is nothing in it; choose another split or folder")
    if isinstance(data, ClipSet):
        for clip in data.clips:
            _require_even(clip)
    clips = list(_file_clips(data))
    for clip in clips:
        _check_files(clip)
    label_files = [(clip.read, file) for clip in clips for file in clip.labels.values()]
    for read, file in spread(label_files, IDS_CHECKED):
        read(file)


def _file_clips(data: ClipSet | Labelled) -> Iterable[FileClip]:
    """The part of the data that is in files; every still a clip of one frame."""
    if isinstance(data, ClipSet):
        return [clip for clip in map(unmapped, data.clips) if isinstance(clip, FileClip)]
    if isinstance(data, LabelledFiles):
        pairs = zip(data.images, data.labels, strict=True)
        return [FileClip(image.stem, 1.0, [image], {0: label}, data.read) for image, label in pairs]
    return []


def _require_even(clip: LabelledClip) -> None:
    """Clips are encoded, with colour at half the size."""
    if clip.size[0] % 2 or clip.size[1] % 2:
        original = unmapped(clip)
        where = original.frames[0] if isinstance(original, FileClip) else clip.name
        raise SourceError(
            f"{where}: {clip.size[0]}x{clip.size[1]} pixels (rows x columns) cannot be encoded; "
            "crop all frames and labels to an even number of rows and columns"
        )


def _check_files(clip: FileClip) -> None:
    for file in (*clip.frames, *clip.labels.values()):
        require_whole(file)
    for frame in clip.frames[1:]:
        require_size(frame, image_size(frame), clip.frames[0], clip.size)
    for index, label in clip.labels.items():
        require_size(label, image_size(label), clip.frames[index], clip.size)
