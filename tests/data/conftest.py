"""Small image files."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SIZE = (6, 8)  # rows, columns


@pytest.fixture
def write() -> Callable[..., Path]:
    """``write(file, value, size)``: an image of one value: an id, or a colour (default black)."""

    def write(file: Path, value: object = (0, 0, 0), size: tuple[int, int] = SIZE) -> Path:
        file.parent.mkdir(parents=True, exist_ok=True)
        shape = size if isinstance(value, int) else (*size, 3)
        Image.fromarray(np.full(shape, value, np.uint8)).save(file)
        return file

    return write
