"""What an evaluation made already: encoded clips, and the counts of every way on every trial.

An interrupted evaluation goes on from there. Keys hold all that the content depends on, taplab's own source included.
"""

import hashlib
from functools import lru_cache
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np
import torch

import taplab
from taplab.cache_folder import cache_folder
from taplab.data.mapping import unmapped
from taplab.evaluation.record import Record
from taplab.evaluation.trials import Encoding, Trial
from taplab.evaluation.ways import Way
from taplab.files import whole, writable
from taplab.models.base import Model
from taplab.video.encode import encode_clip


class Cache:
    """A folder of clips and records; it may be removed at any time. Raises OutputError if it cannot be written."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or cache_folder()
        with writable(self.folder, "give another --cache"):
            for name in ("clips", "records"):
                (self.folder / name).mkdir(parents=True, exist_ok=True)

    def clip(self, trial: Trial, encoding: Encoding) -> Path:
        """The encoded trial; encoded at the first asking."""
        clip = unmapped(trial.clip)  # the same pictures, whatever the labels are read as
        key = _digest(clip.identity, trial.first, trial.last, trial.first_gop, encoding, clip.fps, _making())
        path = self.folder / "clips" / f"{key}.mkv"
        if not _is_whole(path):
            frames = (clip.frame(i) for i in range(trial.first, trial.last))
            with whole(path) as part:
                encode_clip(
                    part,
                    frames,
                    codec=encoding.codec,
                    fps=clip.fps,
                    gop=encoding.gop,
                    first_gop=trial.first_gop,
                    quality=encoding.quality,
                    options={"bf": str(encoding.b_frames)} if encoding.b_frames else None,
                )
                _noted_size(path).write_text(str(part.stat().st_size))
        return path

    def record(self, trial: Trial, encoding: Encoding, model: Model, way: Way) -> Path:
        """Where the record of a way on a trial is, or is to be saved."""
        clip = trial.clip.identity, trial.first, trial.last, trial.first_gop, trial.scored, trial.counted
        key = _digest(clip, encoding, fingerprint(model), way.key, _own_source())
        return self.folder / "records" / f"{key}.json"

    def known(self, trial: Trial, encoding: Encoding, model: Model, way: Way) -> Record | None:
        """The record, if it was made already and is whole."""
        try:
            return Record.load(self.record(trial, encoding, model, way))
        except (FileNotFoundError, ValueError):
            return None


def _noted_size(clip: Path) -> Path:
    """Where it stands how many bytes a clip has."""
    return clip.with_suffix(".size")


def _is_whole(clip: Path) -> bool:
    """A clip that was cut short would decode, to fewer frames."""
    try:
        return clip.stat().st_size == int(_noted_size(clip).read_text())
    except (OSError, ValueError):
        return False


def fingerprint(model: Model) -> str:
    """Other for other weights: what the model says of a fixed picture, and at a glance if it is made for warping."""
    if model not in _FINGERPRINTS:
        picture = np.random.default_rng(0).integers(0, 256, (1, 128, 192, 3), np.uint8)
        says = [model(picture)]
        if model.follow_cost is not None:
            says.append(model.follow(picture, says[0].softmax(1), torch.full_like(says[0][:, :1], 0.5)))
        rounded = [(scores.float().cpu().numpy() * 256).round().astype(np.int64).tobytes() for scores in says]
        _FINGERPRINTS[model] = _digest(model.classes, *rounded)
    return _FINGERPRINTS[model]


_FINGERPRINTS: WeakKeyDictionary[Model, str] = WeakKeyDictionary()
_WITHOUT_LABELS = ("cli", "output", "training")  # parts of taplab that no label depends on


@lru_cache(maxsize=1)
def _own_source() -> str:
    top = Path(taplab.__file__).parent
    files = [f for f in sorted(top.rglob("*.py")) if f.relative_to(top).parts[0] not in _WITHOUT_LABELS]
    scoring = [top / "evaluation" / f"{name}.py" for name in ("protocol", "metrics", "consistency")]
    deciding = [f for f in files if f.relative_to(top).parts[0] != "evaluation" or f in scoring]
    return _digest(*(file.read_bytes() for file in deciding))


@lru_cache(maxsize=1)
def _making() -> str:
    """What clips are made by: the encoder's settings, and the synthetic drive."""
    top = Path(taplab.__file__).parent
    files = [top / "video" / "encode.py", *sorted((top / "data" / "synthetic").glob("*.py"))]
    return _digest(*(file.read_bytes() for file in files))


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:24]
