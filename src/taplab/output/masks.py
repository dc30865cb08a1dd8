"""Masks: one indexed PNG of class ids a frame, as the labelling tools and data sets of the field have them."""

import os
from pathlib import Path

import numpy as np
from PIL import Image

from taplab.errors import OutputError
from taplab.output.backlog import Backlog, Writer
from taplab.types import IGNORE, Labels, Palette, Result

WORKERS = 2
MOST_WAITING = 6  # masks in memory: 2 MB each at 1024x2048
RUN_LENGTH = 3  # zlib's Z_RLE: on label maps both faster and smaller than its level 1


class MaskWriter(Writer):
    """Writes ``folder/000000.png`` and so on, in display order: single-channel indexed PNG, 255 = ignore.

    Work happens on background threads; an error in one of them is raised by the next ``write`` or by ``close``. No
    half-written file ever carries a mask's name. Raises OutputError if the folder cannot be made or written.
    """

    def __init__(self, folder: Path | str, palette: Palette) -> None:
        self.folder = Path(folder)
        self._palette = _palette_bytes(palette)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._failure(error) from error
        self._backlog = Backlog("masks", WORKERS, MOST_WAITING)

    @property
    def waited(self) -> float:
        """Seconds the caller was held up by masks that were not written yet."""
        return self._backlog.waited

    def write(self, result: Result) -> None:
        """Queue the mask of one frame, turned upright. The labels must not change afterwards."""
        self._backlog.add(self._save, result.index, result.upright)

    def close(self) -> None:
        """Wait until all masks are on the disk. May be called again."""
        self._backlog.finish()

    def abort(self) -> None:
        """Stop; masks that are whole stay."""
        self._backlog.stop()

    def _save(self, index: int, labels: Labels) -> None:
        path = self.folder / f"{index:06d}.png"
        part = path.with_name(f".{path.name}.part")
        try:
            self._save_part(part, labels)
            os.replace(part, path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise self._failure(error) from error

    def _save_part(self, part: Path, labels: Labels) -> None:
        image = Image.fromarray(np.ascontiguousarray(labels))
        image.putpalette(self._palette)
        image.save(part, format="PNG", compress_level=1, compress_type=RUN_LENGTH)

    def _failure(self, error: OSError) -> OutputError:
        reason = error.strerror or error
        return OutputError(f"Cannot write masks into '{self.folder}': {reason}. Pick another folder or make room.")


def _palette_bytes(palette: Palette) -> bytes:
    """RGB of 256 entries: the classes, black for ids without one, white for IGNORE."""
    colours = np.zeros((256, 3), np.uint8)
    colours[: len(palette)] = np.asarray(palette, np.uint8).reshape(-1, 3)
    colours[IGNORE] = 255
    return colours.tobytes()
