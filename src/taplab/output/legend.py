"""Legends painted into a corner of a picture, on a white panel."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from taplab.types import Rgb

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
INK = (30, 30, 30)


def font(size: float) -> Font:
    """Pillow's own font: there on every machine."""
    return ImageFont.load_default(size)


def unit(height: int, width: int) -> int:
    """The text size for a picture, in pixels, that all measures of a legend follow."""
    return max(8, min(min(height, width) // 36, 28))


def add_legend(picture: Rgb, patches: Sequence[tuple[Rgb, str]]) -> Rgb:
    """The picture with a panel at its bottom right: the patches in a row, a line of text under each.

    A picture in which the panel would take more than half of the width or height is given back as it is.
    """
    height, width = picture.shape[:2]
    size = unit(height, width)
    letters = font(size)
    columns = [max(patch.shape[1], round(letters.getbbox(text)[2])) for patch, text in patches]
    tallest = max(patch.shape[0] for patch, _ in patches)
    panel_width, panel_height = sum(columns) + size * (len(columns) + 1), tallest + 3 * size
    if 2 * panel_width > width or 2 * panel_height > height:
        return picture
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    left, top = width - panel_width - size // 2, height - panel_height - size // 2
    draw.rectangle((left, top, left + panel_width, top + panel_height), fill="white", outline=INK)
    for (patch, text), column in zip(patches, columns, strict=True):
        middle = left + size + column // 2
        image.paste(
            Image.fromarray(patch), (middle - patch.shape[1] // 2, top + size + (tallest - patch.shape[0]) // 2)
        )
        draw.text((middle, top + tallest + 1.3 * size), text, fill=INK, font=letters, anchor="mt")
        left += column + size
    return np.asarray(image)
