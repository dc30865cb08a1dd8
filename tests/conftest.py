"""Clips made by the real encoders from a synthetic drive, and the real clips where they are at hand."""

from collections.abc import Callable
from pathlib import Path

import pytest

from taplab.data.synthetic import SyntheticDrive
from taplab.video.encode import encode_clip

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def drive() -> SyntheticDrive:
    """30 frames of 144x192."""
    return SyntheticDrive(144, 192, 30, seed=5)


@pytest.fixture(scope="session")
def make_clip(drive: SyntheticDrive, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """``make_clip(codec, suffix=".mp4", **how)``: the drive, encoded once for each way of encoding."""
    folder, made = tmp_path_factory.mktemp("clips"), {}
    frames = [rgb for rgb, _ in drive]

    def make(codec: str = "mpeg4", suffix: str = ".mp4", **how: object) -> Path:
        key = (codec, suffix, repr(sorted(how.items())))
        if key not in made:
            made[key] = encode_clip(folder / f"{len(made)}{suffix}", frames, codec=codec, **{"gop": 12, **how})
        return made[key]

    return make


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real clips and labelled sequences; a user's clone has none."""
    if not SHARED.is_dir():
        pytest.skip("needs the real clips in ../shared/data")
    return SHARED
