"""Against the compiled kernels: by Triton's interpreter on CPU tensors, or on a GPU where there is one."""

from contextlib import closing
from types import SimpleNamespace

import numpy as np
import pytest
import torch

pytest.importorskip("triton")

from taplab.labels import labels_from_scores
from taplab.modules import ffw
from taplab.policies.side import DOUBT
from taplab.scoremap import cells, gathering, matching, on_device
from taplab.scoremap.on_device import KeyCells
from taplab.types import IGNORE
from taplab.video import open_video
from taplab.video.convert import converted

CELLS = (20, 30)
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


@pytest.fixture(autouse=True)
def large_programs(monkeypatch):
    """The interpreter takes as long for one cell as for many."""
    if DEVICE.type == "cpu":
        monkeypatch.setattr(on_device, "_CELLS", 1024)
        monkeypatch.setattr(on_device, "_NUMBERS", 1 << 16)


def there(array):
    return torch.from_numpy(np.ascontiguousarray(array)).to(DEVICE)


def here(tensor):
    return tensor.cpu().numpy()


def smooth(channels, seed, low=0.0, high=255.0):
    """Maps that change slowly, ``[h, w, channels]``."""
    small = torch.from_numpy(np.random.default_rng(seed).uniform(low, high, (1, channels, 6, 8))).float()
    large = torch.nn.functional.interpolate(small, CELLS, mode="bicubic")[0]
    return np.ascontiguousarray(large.permute(1, 2, 0).numpy())


def raw(classes, seed):
    """Scores of the network, ``[C, h, w]``."""
    return torch.from_numpy(smooth(classes, seed, -3, 3)).permute(2, 0, 1)


def coloured(seed):
    """A picture, with its empty fourth channel."""
    return np.pad(smooth(3, seed), ((0, 0), (0, 0), (0, 1)))


@pytest.fixture
def picture():
    return coloured(0)


@pytest.fixture
def way():
    return np.random.default_rng(2).uniform(-4, 4, (*CELLS, 2)).astype(np.float32)


@pytest.fixture
def active():
    return np.random.default_rng(3).uniform(size=CELLS) < 0.6


@pytest.mark.parametrize("classes", [2, 11, 40])
def test_gathering_is_that_of_the_kernel(picture, way, active, classes):
    now, scores = picture + np.array([2, 2, 2, 0], np.float32), cells.padded(raw(classes, 1).softmax(0))
    region = scores.copy()
    region[:, :15] = 0
    sides = [(scores, picture, way, 0.7), (region, coloured(5), -way, 0.4)]
    wanted = gathering.gather(now, sides, classes, active, np.ones(CELLS, np.bool_))
    keys = [(KeyCells(there(s), there(p), torch.empty(0)), there(w), share) for s, p, w, share in sides]
    settled = there(np.where(active, IGNORE, 0).astype(np.uint8))
    found, match = on_device.gather(there(now), keys, classes, settled)
    difference = np.abs(here(found) - wanted.scores)
    assert difference.max() < 0.02  # the kernel has its weights from a table
    assert difference.mean() < 0.002
    assert np.abs(here(match) - wanted.match).mean() < 0.01


def test_key_cells_are_those_of_the_kernel(picture):
    scores, presence = raw(9, 1), torch.zeros(CELLS)
    presence[3:12, 5:20] = 1
    presence[3:12, 5] = 0.5
    for mask in (None, presence):
        found = on_device.key_cells(scores.to(DEVICE), mask, there(picture))
        np.testing.assert_allclose(here(found.scores), cells.padded(scores.softmax(0), mask), atol=1e-6)


def test_calm_and_settled_cells_are_those_of_the_kernel(picture, way):
    best = raw(3, 1).argmax(0).to(torch.uint8)
    whole = cells.calm(best.numpy())
    best[:4, :4] = cells.ABSENT
    partly = cells.calm(best.numpy())
    assert len(np.unique(partly)) > 3
    np.testing.assert_array_equal(here(on_device.calm(best.long().to(DEVICE))), partly)
    now = picture + np.random.default_rng(4).uniform(-9, 9, picture.shape).astype(np.float32)
    now[..., 3] = 0
    sides = [(whole, picture, way / 4), (partly, picture, np.zeros_like(way))]
    wanted = cells.settled(now, sides)
    keys = [(KeyCells(torch.empty(0), there(p), there(c)), there(w), 1.0) for c, p, w in sides]
    found = here(on_device.settled(there(now), keys))
    assert 0.1 < (wanted == IGNORE).mean() < 0.95
    assert np.mean(found != wanted) < 0.005  # colours just at the threshold


def test_corrected_displacements_match_as_well_as_the_kernel_s(picture):
    displacement = np.full((*CELLS, 2), (2.0, -1.0), np.float32)
    rows, columns = np.indices(CELLS)
    now = picture[np.clip(rows - 1, 0, 19), np.clip(columns + 2, 0, 29)]
    wrong = displacement.copy()
    wrong[5:14, 8:20] = 0
    calm = np.full(CELLS, IGNORE, np.uint8)
    calm[:, 25:] = 1  # here nothing is looked for where the colours agree
    key = KeyCells(torch.empty(0), there(picture), there(calm))
    found = here(on_device.corrected(there(now), key, there(wrong.copy()), DOUBT))
    sure = cells.settled(now, [(calm, picture, wrong)], DOUBT)
    kernel = matching.refine(now, picture, wrong, sure == IGNORE)
    inner = (rows > 2) & (rows < 17) & (columns > 2) & (columns < 27)
    assert np.abs(wrong - displacement)[inner].mean() > 0.2
    assert np.abs(found - displacement)[inner].mean() <= np.abs(kernel - displacement)[inner].mean() + 0.05
    np.testing.assert_array_equal(found[:, 25:][sure[:, 25:] != IGNORE], wrong[:, 25:][sure[:, 25:] != IGNORE])


@pytest.mark.parametrize("size", [CELLS, (36, 48), (50, 37), (200, 100)])
def test_colours_are_those_of_the_kernel(make_clip, size):
    with closing(open_video(make_clip())) as video:
        picture = next(video.frames()).picture
    for pixels in ("yuv420p", "yuv444p"):
        frame = SimpleNamespace(picture=converted(picture, pixels), colours=None)
        found = here(on_device.colours(frame, size, DEVICE))
        np.testing.assert_allclose(found, cells.cell_picture(frame.picture, size), atol=1e-3)


@pytest.mark.parametrize("size", [(160, 240), (157, 233), (20, 30)])
def test_composed_displacements_are_those_of_the_kernel(way, size):
    blocks = -(-size[0] // 8), -(-size[1] // 8)
    vectors = np.random.default_rng(6).uniform(-20, 20, (*blocks, 2)).astype(np.float32)
    for before in (None, way):
        wanted = ffw.compose(vectors, before, CELLS, size)
        found = on_device.composed(vectors, None if before is None else there(before), CELLS, size, DEVICE)
        assert np.mean(np.abs(here(found) - wanted) > 1e-3) < 0.01  # of places half way between cells


@pytest.mark.parametrize("size", [(80, 120), (77, 123), (20, 30), (7, 11), (300, 31)])
def test_labels_are_those_of_the_kernel(size):
    scores = raw(5, 7)
    for laid in (scores, scores.contiguous(), scores.half().contiguous()):
        found = here(on_device.labels(laid.to(DEVICE), size))
        assert np.mean(found != labels_from_scores(laid.float().contiguous(), size)) < 0.002


def test_maps_of_one_row_or_cell():
    for rows, columns in ((1, 9), (9, 1), (1, 1)):
        picture = np.zeros((rows, columns, 4), np.float32)
        key = on_device.key_cells(torch.rand(3, rows, columns).to(DEVICE), None, there(picture))
        way = on_device.corrected(
            there(picture + np.array([9, 9, 9, 0], np.float32)),
            key,
            torch.zeros(rows, columns, 2, device=DEVICE),
            DOUBT,
        )
        found, match = on_device.gather(
            there(picture), [(key, way, 0.5)], 3, there(np.full((rows, columns), IGNORE, np.uint8))
        )
        assert torch.isfinite(found).all()
        assert torch.isfinite(match).all()
