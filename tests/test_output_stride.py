import numpy as np
import pytest
import torch
import torch.nn.functional as F

from taplab import PaperSettings, Segmenter
from taplab.models.base import Model
from taplab.output_stride import resampled, shares


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
        ((45, 60), (360, 480), (90, 120)),
        ((23, 30), (360, 480), (69, 120)),  # 3 and 4 for one
        ((60, 96), (360, 480), (60, 96)),
        ((128, 256), (1024, 2048), (256, 512)),
        ((64, 640), (1024, 640), (256, 320)),
        ((2, 1), (2, 1), (1, 1)),
        ((1, 7), (1, 7), (1, 4)),
    ],
)
def test_maps_are_as_fine_as_is_worth_carrying(cells, size, expected):
    scores = torch.rand(2, 3, *cells)
    found = resampled(scores, size)
    assert tuple(found.shape) == (2, 3, *expected)
    assert (found is scores) == (cells == expected)


def test_a_cell_is_the_mean_of_those_it_joins():
    scores = torch.arange(30, dtype=torch.float32).view(1, 1, 5, 6)
    found = resampled(scores[..., :4, :], (4, 6))[0, 0]
    assert torch.equal(found, torch.tensor([[3.5, 5.5, 7.5], [15.5, 17.5, 19.5]]))
    rows = resampled(scores, (5, 6))[0, 0, :, 0]  # of 5/3 rows each: 0 and 1, 1 to 3, 3 and 4
    assert torch.equal(rows, torch.tensor([3.5, 12.5, 21.5]))


@pytest.mark.parametrize("size", [(768, 1366), (361, 481), (1080, 1922)])
def test_joined_cells_are_where_all_others_take_them_to_be(size):
    """Averaged places of pixels are the middles of cells of equal size, but for the pixels that two cells share."""
    for axis, pixels in enumerate(size):
        places = (torch.arange(pixels) + 0.5).view(-1, 1) if axis == 0 else torch.arange(pixels) + 0.5
        found = resampled(places.expand(1, 1, *size), size)[0, 0].select(1 - axis, 0)
        middles = (torch.arange(len(found)) + 0.5) * pixels / len(found)
        assert (found - middles).abs().max() <= 0.5


def test_coarse_scores_are_upsampled_as_torch_does_it():
    scores = torch.rand(1, 3, 9, 16)
    expected = F.interpolate(scores, scale_factor=2, mode="bicubic", align_corners=False)
    assert torch.equal(resampled(scores, (72, 128)), expected)


@pytest.mark.parametrize(
    ("cells", "size"),
    [((48, 64), (48, 64)), ((541, 95), (541, 95)), ((7, 1), (7, 1)), ((20, 30), (160, 240)), ((60, 96), (360, 480))],
)
def test_shares_are_what_averaging_makes_of_ones_and_zeros(cells, size):
    numbers = torch.randint(0, 5, (2, *cells), dtype=torch.uint8)
    ones = F.one_hot(numbers.long(), 7).permute(0, 3, 1, 2).float()
    found = shares(numbers, 7, size)
    assert torch.allclose(found, resampled(ones, size), atol=1e-6)
    assert found.is_contiguous()


def test_shares_in_a_large_picture():
    numbers = torch.randint(0, 3, (1, 1030, 1027), dtype=torch.uint8)
    ones = F.one_hot(numbers.long(), 3).permute(0, 3, 1, 2).float()
    found = shares(numbers, 3, (1030, 1027))
    assert found.shape == (1, 3, 258, 257)
    assert torch.allclose(found, F.adaptive_avg_pool2d(ones, (258, 257)), atol=1e-6)


class Averaging(Upsampling):
    """At a stride of 8."""

    def __call__(self, images):
        return F.avg_pool2d(self.model(images), 2, ceil_mode=True, count_include_pad=False)


def labels(model, clip, mode):
    settings = PaperSettings(("ffw",))
    return np.stack([r.labels for r in Segmenter(model, mode=mode, settings=settings).stream(clip)])


@pytest.mark.parametrize("mode", ["paper", "live", "offline"])
@pytest.mark.parametrize("other", [Upsampling, Averaging])
def test_a_network_of_another_stride_says_about_the_same(model, make_clip, mode, other):
    clip = make_clip()
    assert (labels(other(model), clip, mode) == labels(model, clip, mode)).mean() > 0.9


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
