import pytest
import torch

from taplab import SyntheticDrive, TorchModel
from taplab.data.clips import ClipSet
from taplab.data.drives import DriveClip
from taplab.evaluation.bench import Bench, Subject
from taplab.evaluation.cache import Cache
from taplab.evaluation.trials import Draw, Encoding


class Threshold(torch.nn.Module):
    def forward(self, x):
        grey = x.mean(1, keepdim=True)
        return torch.cat([-grey, grey], 1)


@pytest.fixture
def model():
    """Two classes, told apart by brightness."""
    return TorchModel(Threshold(), classes=("dark", "bright"), mean=(0.5,) * 3, std=(0.25,) * 3)


DRAWN = {}  # frames of all tests


def _drawn(identity, draw, index):
    if (identity, index) not in DRAWN:
        DRAWN[identity, index] = draw(index)
    return DRAWN[identity, index]


class BrightClip(DriveClip):
    """A drive whose truth is its brightness; ``labelled`` says of which frames."""

    def __init__(self, labelled=None, frames=30, seed=5):
        super().__init__(SyntheticDrive(96, 128, frames, seed))
        self.labelled = self.labelled if labelled is None else labelled
        self.identity += f" {self.labelled}"

    def frame(self, index):
        return _drawn(self.identity, super().frame, index)

    def truth(self, index):
        return (self.frame(index).mean(2) > 127).astype("uint8")


@pytest.fixture
def bright():
    """``bright(labelled, ...)``: a set of one clip."""

    def make(*args, **kwargs):
        return ClipSet("bright", ("dark", "bright"), ((0, 0, 0), (255, 255, 255)), [BrightClip(*args, **kwargs)])

    return make


@pytest.fixture
def make_bench(bright, model, tmp_path):
    """``make_bench(networks, labelled, ...)``: a bench on which every network is the model of two classes."""

    def make(networks=("bl2",), labelled=None, rounds=0, frames=30):
        subject = Subject(model, bright(labelled, frames), ("bright: white",))
        return Bench(dict.fromkeys(networks, subject), Encoding(), Draw(), Cache(tmp_path / "cache"), rounds=rounds)

    return make
