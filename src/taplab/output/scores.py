"""Score maps: one numpy file a frame."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from taplab.errors import SettingError
from taplab.output.frame_files import FrameFiles
from taplab.types import Result
from taplab.upright import upright


class ScoreWriter(FrameFiles):
    """``000000.npy``: ``Result.scores``, float16 ``[C, h, w]``, turned upright; see ``FrameFiles``.

    Raises SettingError for a result without scores.
    """

    what, ending = "scores", ".npy"

    def _taken(self, result: Result) -> NDArray[np.float16]:
        if result.scores is None:
            raise SettingError("a result has no scores to save: call Segmenter.stream with scores=True")
        return upright(result.scores, result.frame.turns, axes=(1, 2))

    def _save_part(self, part: Path, value: NDArray[np.float16]) -> None:
        np.save(part, np.ascontiguousarray(value))
