"""Dense optical flow: what carries scores in the paper's comparison with FFW (Table 3, Table 5)."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from taplab.errors import MissingExtraError
from taplab.types import Rgb

Vectors = NDArray[np.float32]  # [H, W, 2]


class Flow(Protocol):
    """Motion between two pictures."""

    def __call__(self, now: Rgb, before: Rgb) -> Vectors:
        """Displacement (dx, dy) in pixels from every pixel of ``now`` to where it was in ``before``, ``[H, W, 2]``.

        The sign is that of ``MotionField.vectors``.
        """


class Dis:
    """Dense inverse search on luma, OpenCV's fast preset. Raises MissingExtraError without OpenCV."""

    def __init__(self) -> None:
        cv2 = _opencv()
        self._grey = lambda image: cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        self._search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)

    def __call__(self, now: Rgb, before: Rgb) -> Vectors:
        """See ``Flow``."""
        flow: Vectors = self._search.calc(self._grey(now), self._grey(before), None)
        return flow
