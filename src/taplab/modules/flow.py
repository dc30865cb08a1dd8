"""Dense optical flow: what carries scores in the paper's comparisons with FFW (Tables 3 and 5)."""

from types import ModuleType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from taplab.blame import blamed, described
from taplab.errors import MissingExtraError, ModelError
from taplab.types import Rgb

Vectors = NDArray[np.float32]  # [H, W, 2]


class Flow(Protocol):
    """Motion between two pictures."""

    def __call__(self, now: Rgb, before: Rgb) -> Vectors:
        """Displacement (dx, dy) in pixels from every pixel of ``now`` to where it was in ``before``, ``[H, W, 2]``.

        The sign is that of ``MotionField.vectors``.
        """


def ask(flow: Flow, name: str, now: Rgb, before: Rgb) -> Vectors:
    """What ``flow``, perhaps a user's own, finds: finite float32 ``[H, W, 2]``. Raises ModelError with its ``name``."""
    with blamed(name):
        found = flow(now, before)
    height, width = now.shape[:2]
    if not isinstance(found, np.ndarray) or found.shape != (height, width, 2) or found.dtype.kind not in "fiu":
        raise ModelError(f"{name}: returned {described(found)}; return float32 [H, W, 2], here [{height}, {width}, 2]")
    if not np.isfinite(found).all():
        raise ModelError(f"{name}: returned numbers that are not finite; return a displacement for every pixel")
    return np.ascontiguousarray(found, np.float32)


class Dis:
    """Dense inverse search on luma, OpenCV's fast preset. Raises MissingExtraError without OpenCV."""

    def __init__(self) -> None:
        self._cv2 = _opencv()
        self._search = self._cv2.DISOpticalFlow.create(self._cv2.DISOPTICAL_FLOW_PRESET_FAST)

    def __call__(self, now: Rgb, before: Rgb) -> Vectors:
        """See ``Flow``."""
        flow: Vectors = self._search.calc(_luma(self._cv2, now), _luma(self._cv2, before), None)
        return flow


class Farneback:
    """Polynomial expansion on luma, with the parameters of OpenCV's manual. Raises MissingExtraError without OpenCV."""

    def __init__(self) -> None:
        self._cv2 = _opencv()

    def __call__(self, now: Rgb, before: Rgb) -> Vectors:
        """See ``Flow``."""
        flow: Vectors = self._cv2.calcOpticalFlowFarneback(
            _luma(self._cv2, now),
            _luma(self._cv2, before),
            None,
            pyr_scale=0.5,
            levels=4,
            winsize=15,
            iterations=3,
            poly_n=5,
            poly_sigma=1.2,
            flags=0,
        )
        return flow


def _luma(cv2: ModuleType, image: Rgb) -> NDArray[np.uint8]:
    grey: NDArray[np.uint8] = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return grey


def _opencv() -> ModuleType:
    try:
        import cv2
    except ImportError as error:
        raise MissingExtraError("this optical flow needs OpenCV: pip install 'taplab[flow]'") from error
    return cv2
