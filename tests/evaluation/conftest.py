import pytest
import torch

from taplab import SyntheticDrive, TorchModel
from taplab.data.clips import ClipSet
from taplab.data.drives import DriveClip


class Threshold(torch.nn.Module):
    def forward(self, x):
        grey = x.mean(1, keepdim=True)
        return torch.cat([-grey, grey], 1)


@pytest.fixture
def model():
    """Two classes, told apart by brightness."""
    return TorchModel(Threshold(), classes=("dark", "bright"), mean=(0.5,) * 3, std=(0.25,) * 3)


class BrightClip(DriveClip):
    """A drive whose truth is its brightness; ``labelled`` says of which frames."""

    def __init__(self, labelled=None, frames=30, seed=5):
        super().__init__(SyntheticDrive(96, 128, frames, seed))
        self.labelled = self.labelled if labelled is None else labelled
        self.identity += f" {self.labelled}"

    def truth(self, index):
        return (self.frame(index).mean(2) > 127).astype("uint8")


@pytest.fixture
def bright():
    """``bright(labelled, ...)``: a set of one clip."""

    def make(*args, **kwargs):
        return ClipSet("bright", ("dark", "bright"), ((0, 0, 0), (255, 255, 255)), [BrightClip(*args, **kwargs)])

    return make
