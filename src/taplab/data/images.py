"""Image files: finding them, their size from the header, their pixels."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from taplab.errors import SourceError
from taplab.types import Rgb

_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm"}
_ENDINGS = {".png": b"IEND\xaeB`\x82", ".jpg": b"\xff\xd9", ".jpeg": b"\xff\xd9"}
_SHOWN = 4  # entries of a folder in a message


def is_image(file: Path) -> bool:
    """By its name; hidden files are none."""
    return file.suffix.lower() in _SUFFIXES and not file.name.startswith(".")


def image_files(folder: Path) -> list[Path]:
    """The images of ``folder`` in name order. Raises SourceError if there are none, or it cannot be looked into."""
    try:
        if not folder.is_dir():
            raise SourceError(f"{folder}: no such folder of images")
        files = sorted(f for f in folder.iterdir() if is_image(f))
    except OSError as error:
        raise SourceError(f"{folder}: cannot be read ({error.strerror}); check that you may read it") from error
    if not files:
        kinds = ", ".join(sorted(_SUFFIXES))
        raise SourceError(f"{folder}: no images in it (looked for {kinds}; found {found_in(folder)})")
    return files


def found_in(folder: Path) -> str:
    """What is in ``folder``, shortened, for messages."""
    if not folder.is_dir():
        return "no such folder"
    names = sorted(f"{f.name}/" if f.is_dir() else f.name for f in folder.iterdir() if not f.name.startswith("."))
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more or "nothing"


@contextmanager
def opened(file: Path) -> Iterator[Image.Image]:
    """The image, of which only the header is read so far. Raises SourceError, also for what is read later."""
    try:
        with Image.open(file) as image:
            yield image
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:  # Pillow raises all four
        raise SourceError(f"{file}: cannot be read as an image; remove or replace it") from error


def image_size(file: Path) -> tuple[int, int]:
    """(rows, columns), from the header alone. Raises SourceError."""
    with opened(file) as image:
        return image.height, image.width


def require_whole(file: Path) -> None:
    """Raises SourceError if a PNG or JPEG file was cut off. Decodes only what does not end as usual."""
    ending = _ENDINGS.get(file.suffix.lower(), b"")
    with file.open("rb") as data:
        data.seek(max(0, file.stat().st_size - len(ending)))
        whole = data.read() == ending
    if ending and not whole:
        read_rgb(file)


def read_rgb(file: Path, *, upright: bool = False) -> Rgb:
    """Pixels as uint8 ``[H, W, 3]``, of 16 bits the upper 8. Raises SourceError.

    upright: turned as a camera's EXIF asks for, which is how viewers show it; else as stored.
    """
    with opened(file) as image:
        turned = ImageOps.exif_transpose(image) if upright else image
        if turned.mode.startswith("I;16"):  # Pillow would cut off what is above 255
            turned = Image.fromarray((np.asarray(turned) >> 8).astype(np.uint8))
        return np.array(turned.convert("RGB"))


def require_size(file: Path, size: tuple[int, ...], like: Path, expected: tuple[int, ...]) -> None:
    """Raises SourceError unless ``file``, of ``size`` (rows, columns), is as large as ``like``."""
    if tuple(size[:2]) != tuple(expected[:2]):
        raise SourceError(
            f"{file}: {size[0]}x{size[1]} pixels (rows x columns), but {like} has {expected[0]}x{expected[1]}; "
            "replace one of them"
        )
