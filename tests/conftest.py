"""Clips made by the real encoders from a synthetic drive, small images, and the real clips where they are at hand."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from taplab import TorchModel
from taplab.data.synthetic import SyntheticDrive
from taplab.video.encode import encode_clip

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # kernels for a GPU run in numpy, if triton is there

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


class Brightness(torch.nn.Module):
    """Three classes by brightness, at 1/4: a network whose answers are known."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        grey = torch.nn.functional.avg_pool2d(x.mean(1, keepdim=True), 4, ceil_mode=True)
        return torch.cat([-grey, 0.2 - grey.abs(), grey], 1)


@pytest.fixture(autouse=True)
def _same_numbers() -> None:
    """What tests draw is the same in every run, so that none fails now and then."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def model() -> TorchModel:
    return TorchModel(Brightness(), classes=("dark", "middle", "bright"), name="brightness")


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


@pytest.fixture
def write() -> Callable[..., Path]:
    """``write(file, value, size)``: an image of one value, an id or a colour (default black), of (rows, columns)."""

    def write(file: Path, value: object = (0, 0, 0), size: tuple[int, int] = (6, 8)) -> Path:
        file.parent.mkdir(parents=True, exist_ok=True)
        shape = size if isinstance(value, int) else (*size, 3)
        Image.fromarray(np.full(shape, value, np.uint8)).save(file)
        return file

    return write


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real clips and labelled sequences; a user's clone has none."""
    if not SHARED.is_dir():
        pytest.skip("needs the real clips in ../shared/data")
    return SHARED
