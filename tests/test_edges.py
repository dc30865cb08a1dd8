import av
import numpy as np
import pytest
import torch

from taplab import PaperSettings, Segmenter, SettingError, edges
from taplab.edges import labels_along_edges
from taplab.labels import labels_from_scores
from taplab.scoremap import cells


def picture(rgb, pixel_format="yuv420p"):
    return av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=pixel_format)


@pytest.fixture
def halves():
    """Dark and bright, with the edge at column 53: between the cells."""
    rgb = np.full((80, 120, 3), 40, np.uint8)
    rgb[:, 53:] = 210
    return rgb


def test_contours_lie_where_the_picture_has_its_edge(halves):
    """Scores of cells of 8x8 pixels, as a network that sees what is in them."""
    truth = (halves[..., 0] > 100).astype(np.uint8)
    share = truth.reshape(10, 8, 15, 8).mean((1, 3)).astype(np.float32)
    scores = torch.from_numpy(np.stack([1 - share, share]))
    plain, along = labels_from_scores(scores, (80, 120)), labels_along_edges(scores, picture(halves), (80, 120))
    assert np.mean(plain != truth) > 0.004
    assert np.array_equal(along, truth)


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p", "yuv422p10le", "gray"])
@pytest.mark.parametrize("size", [(80, 120), (83, 131)])
def test_the_kernel_is_the_formula(pixel_format, size):
    rng = np.random.default_rng(1)
    rgb = np.kron(rng.integers(0, 255, (21, 33, 3), np.uint8), np.ones((4, 4, 1), np.uint8))[: size[0], : size[1]]
    shown = picture(rgb, pixel_format)
    scores = torch.from_numpy(rng.normal(0, 1, (5, 11, 17)).astype(np.float32)).softmax(0)
    defined = edges._defined(scores, shown, size, cells.cell_picture(shown, (11, 17)))
    assert np.mean(labels_along_edges(scores, shown, size) != defined) < 0.02  # differences count in whole grey levels
    assert np.mean(labels_from_scores(scores, size) != defined) > 0.1


def test_a_picture_without_edges_changes_nothing():
    flat = np.full((64, 96, 3), 120, np.uint8)
    scores = torch.randn(3, 8, 12)
    assert np.array_equal(labels_along_edges(scores, picture(flat), (64, 96)), labels_from_scores(scores, (64, 96)))


def test_score_maps_as_large_as_the_picture_have_none():
    rgb = np.random.default_rng(2).integers(0, 255, (80, 120, 3), np.uint8)
    for cells_ in ((80, 120), (90, 120)):
        scores, size = torch.randn(3, *cells_), (80, 120)
        assert np.array_equal(labels_along_edges(scores, picture(rgb), size), labels_from_scores(scores, size))


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (4, 1)])
def test_maps_of_one_row_or_column(halves, shape):
    scores = torch.randn(3, *shape)
    assert labels_along_edges(scores, picture(halves), (80, 120)).shape == (80, 120)


def test_modes_follow_edges_if_asked_and_per_frame_never(make_clip, model):
    clip = make_clip("mpeg4")
    settings = PaperSettings(edges=True)
    with pytest.raises(SettingError, match="per-frame gives what the network says"):
        Segmenter(model, mode="per-frame", settings=settings)
    for mode in ("offline", "live", "paper"):
        plain = list(Segmenter(model, mode=mode).stream(clip, max_frames=14))
        along = list(Segmenter(model, mode=mode, settings=settings).stream(clip, max_frames=14))
        differ = [np.mean(a.labels != b.labels) for a, b in zip(plain, along, strict=True)]
        assert min(differ) > 0
        assert max(differ) < 0.15
