"""``summary.json``: what a run did and what it cost."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from taplab.files import whole, writable


@dataclass(frozen=True)
class Summary:
    """The account of one run; the field names are the keys of ``summary.json``.

    network_cost: pixels given to the network over pixels of all frames (1.0 for per-frame). asked: what was asked for,
    such as {"quality": 1.0}. predicted_loss: points of mIoU below the network on every frame, as pictures and motion
    foretell it; None where nothing is predicted (modes paper and per-frame). motion: frames by origin of their vectors.
    damaged: frames marked damaged plus frames that could not be decoded. dropped: frames of a live source that came
    faster than they could be worked on; they are not among ``frames``. reconnects: how often a live source was lost and
    taken up again. interrupted: it was stopped, or is under way. failed: the error that ended it. seconds: by stage,
    summed over threads, and the total by the clock. fps: frames by total seconds. saved: what was written beside this,
    such as "masks".
    """

    source: str
    codec: str
    width: int
    height: int
    source_fps: float | None
    frames: int
    key_frames: int
    crops: int
    network_cost: float
    mode: str
    modules: list[str]
    interval: int
    model: str
    classes: list[str]
    device: str
    asked: dict[str, float]
    predicted_loss: float | None
    motion: dict[str, int]
    damaged: int
    dropped: int
    reconnects: int
    seconds: dict[str, float]
    fps: float
    saved: list[str] = field(default_factory=list)
    broke_off: str | None = None
    interrupted: bool = False
    failed: str | None = None
    notes: list[str] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Writes JSON; a reader never sees half of it. Raises OutputError."""
        with writable(path, "give another -o"), whole(path) as part:
            part.write_text(json.dumps(asdict(self), indent=2) + "\n")
