"""Masks: one indexed PNG of class ids a frame, as the labelling tools and data sets of the field have them."""

from pathlib import Path

import numpy as np
from PIL import Image

from taplab.output.frame_files import FrameFiles
from taplab.types import IGNORE, Labels, Palette, Result

RUN_LENGTH = 3  # zlib's Z_RLE: on label maps both faster and smaller than its level 1


class MaskWriter(FrameFiles):
    """Single-channel indexed PNG, 255 = ignore, turned upright; see ``FrameFiles``."""

    what, ending = "masks", ".png"

    def __init__(self, folder: Path | str, palette: Palette) -> None:
        super().__init__(folder)
        self._palette = _palette_bytes(palette)

    def _taken(self, result: Result) -> Labels:
        return result.upright

    def _save_part(self, part: Path, value: Labels) -> None:
        image = Image.fromarray(np.ascontiguousarray(value))
        image.putpalette(self._palette)
        image.save(part, format="PNG", compress_level=1, compress_type=RUN_LENGTH)


def _palette_bytes(palette: Palette) -> bytes:
    """RGB of 256 entries: the classes, black for ids without one, white for IGNORE."""
    colours = np.zeros((256, 3), np.uint8)
    colours[: len(palette)] = np.asarray(palette, np.uint8).reshape(-1, 3)
    colours[IGNORE] = 255
    return colours.tobytes()
