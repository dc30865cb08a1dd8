"""What one way made of one trial, as plain counts that add up to scores."""

import json
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taplab.files import whole


@dataclass(frozen=True)
class Record:
    """confusion: int64 ``[classes, classes]``; by_distance: the same by frames since the last key frame.

    boundary: see ``BoundaryOverlap``. consistency: one share for every pair of successive frames. frames: scored.
    pixels, network_pixels: of all frames that count for the cost, and those given to the network. whole: they are
    whole groups of pictures. mismatch: grey levels, predicted, summed over ``forecast_frames``; 0 frames where the mode
    predicts nothing.
    """

    confusion: NDArray[np.int64]
    by_distance: dict[int, NDArray[np.int64]]
    boundary: NDArray[np.int64]
    consistency: list[float] = field(default_factory=list)
    frames: int = 0
    key_frames: int = 0
    pixels: int = 0
    network_pixels: int = 0
    whole: bool = True
    mismatch: float = 0.0
    forecast_frames: int = 0

    def save(self, path: Path) -> None:
        """As JSON; a reader never sees half of it."""
        plain: dict[str, Any] = dict(vars(self))
        for name in ("confusion", "boundary"):
            plain[name] = plain[name].tolist()
        plain["by_distance"] = {d: counts.tolist() for d, counts in self.by_distance.items()}
        with whole(path) as part:
            part.write_text(json.dumps(plain))

    @classmethod
    def load(cls, path: Path) -> "Record":
        """What ``save`` wrote. Raises ValueError for anything else, OSError if it cannot be read."""
        plain = json.loads(path.read_text("utf-8"))
        if not isinstance(plain, dict) or set(plain) != {f.name for f in fields(cls)}:
            raise ValueError(f"{path}: no record")
        for name in ("confusion", "boundary"):
            plain[name] = np.array(plain[name], np.int64)
        plain["by_distance"] = {int(d): np.array(counts, np.int64) for d, counts in plain["by_distance"].items()}
        return cls(**plain)
