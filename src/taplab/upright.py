"""How pictures are turned that are not stored as they are to be seen.

A number from 0 to 7: quarter turns, counterclockwise; with ``MIRRORED`` added, left and right change places after them.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

MIRRORED = 4


def upright(stored: NDArray[Any], turns: int, axes: tuple[int, int] = (0, 1)) -> NDArray[Any]:
    """A view of an array as it is to be seen; ``axes`` are its rows and columns."""
    turned = np.rot90(stored, turns % MIRRORED, axes)
    return np.flip(turned, axes[1]) if turns >= MIRRORED else turned
