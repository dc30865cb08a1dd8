import numpy as np
import pytest
import torch
import torch.nn.functional as F

from taplab import PaperSettings, Segmenter
from taplab.coarsen import coarsened
from taplab.models.base import Model


class Upsampling(Model):
    """Ends, as many networks do, with an upsampling to the size of the picture."""

    def __init__(self, model):
        self.model, self.classes, self.palette, self.name = model, model.classes, model.palette, "upsampling"

    def __call__(self, images):
        return F.interpolate(self.model(images), images.shape[1:3], mode="bilinear", align_corners=False)


@pytest.mark.parametrize(
    ("cells", "size", "expected"),
    [
        ((360, 480), (360, 480), (180, 240)),
        ((180, 240), (360, 480), (180, 240)),
        ((90, 120), (360, 480), (90, 120)),
        ((240, 320), (360, 480), (240, 320)),  # a stride of 1.5
        ((541, 959), (541, 959), (271, 480)),
        ((1080, 1920), (1080, 1920), (270, 480)),
        ((540, 960), (1080, 1920), (270, 480)),
        ((320, 320), (576, 1024), (320, 320)),
        ((320, 320), (1024, 576), (320, 320)),
        ((2, 1), (2, 1), (1, 1)),
        ((1, 7), (1, 7), (1, 4)),
    ],
)
def test_maps_are_as_fine_as_is_worth_carrying(cells, size, expected):
    scores = torch.rand(2, 3, *cells)
    found = coarsened(scores, size)
    assert tuple(found.shape) == (2, 3, *expected)
    assert (found is scores) == (cells == expected)


def test_a_cell_is_the_mean_of_those_it_joins():
    scores = torch.arange(30, dtype=torch.float32).view(1, 1, 5, 6)
    found = coarsened(scores, (5, 6))[0, 0]
    assert torch.equal(found[0], torch.tensor([3.5, 5.5, 7.5]))
    assert torch.equal(found[2], torch.tensor([24.5, 26.5, 28.5]))  # half a cell


def labels(model, clip, mode):
    settings = PaperSettings(("ffw",))
    return np.stack([r.labels for r in Segmenter(model, mode=mode, settings=settings).stream(clip)])


@pytest.mark.parametrize("mode", ["paper", "live", "offline"])
def test_an_upsampled_network_says_about_what_it_says_without(model, make_clip, mode):
    clip = make_clip()
    assert (labels(Upsampling(model), clip, mode) == labels(model, clip, mode)).mean() > 0.95


def test_per_frame_sees_scores_as_they_are(model, make_clip):
    class Dots(Model):
        """Every second pixel of a chessboard is of another class: no coarser map can say that."""

        name, classes, palette = "dots", ("black", "white"), [(0, 0, 0), (255, 255, 255)]

        def __call__(self, images):
            board = torch.from_numpy(np.indices(images.shape[1:3]).sum(0) % 2).float()
            return torch.stack([1 - board, board])[None].repeat(len(images), 1, 1, 1)

    found = labels(Dots(), make_clip(), "per-frame")
    assert np.array_equal(found[0], np.indices(found.shape[1:]).sum(0) % 2)
    assert not np.array_equal(labels(Dots(), make_clip(), "offline")[0], found[0])
