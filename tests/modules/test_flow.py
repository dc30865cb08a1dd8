import sys

import numpy as np
import pytest

from taplab.data.synthetic import SyntheticDrive
from taplab.errors import MissingExtraError
from taplab.modules.ffw import compose
from taplab.modules.flow import Dis, Farneback


@pytest.mark.parametrize("method", [Dis, Farneback])
def test_displacement_is_from_now_to_before(method):
    pytest.importorskip("cv2")
    picture, _ = SyntheticDrive(180, 240, 2, seed=3)[0]
    now, before = picture[20:164, 20:212], picture[18:162, 25:217]
    flow = method()(now, before)
    assert flow.shape == (144, 192, 2)
    assert flow.dtype == np.float32
    assert np.allclose(np.median(flow[20:-20, 20:-20], (0, 1)), (-5, 2), atol=0.3)


@pytest.mark.parametrize(("method", "least"), [(Dis, 2.0), (Farneback, 1.5)])
def test_flow_is_near_the_truth(method, least):
    pytest.importorskip("cv2")
    drive = SyntheticDrive(240, 320, 20, seed=2001)
    truth = drive.flow(12)
    found = method()(drive[12][0], drive[11][0])
    error = np.hypot(*np.moveaxis(found - truth, -1, 0)).mean()
    assert np.hypot(*np.moveaxis(truth, -1, 0)).mean() > least * error


@pytest.mark.parametrize("size", [(32, 32), (16, 48)])
def test_small_pictures(size):
    pytest.importorskip("cv2")
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    for method in (Dis, Farneback):
        assert method()(image, image).shape == (*size, 2)


@pytest.mark.parametrize("method", [Dis, Farneback])
def test_the_missing_extra_names_the_install_line(monkeypatch, method):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'taplab\[flow\]'"):
        method()


def test_dense_flow_is_sampled_at_the_centres_of_the_cells():
    flow = np.zeros((16, 24, 2), np.float32)
    flow[..., 0] = np.arange(24)
    flow[..., 1] = 100 * np.arange(16)[:, None]
    cells = compose(flow, None, (4, 6), (16, 24), block=1)
    assert np.allclose(cells[..., 0], (np.arange(6) * 4 + 2) / 4)  # in cells of four pixels
    assert np.allclose(cells[..., 1], 100 * (np.arange(4)[:, None] * 4 + 2) / 4)


def test_dense_flow_and_blocks_of_it_compose_alike():
    rng = np.random.default_rng(1)
    blocks = rng.uniform(-20, 20, (6, 8, 2)).astype(np.float32)
    before = rng.uniform(-2, 2, (12, 16, 2)).astype(np.float32)
    dense = np.repeat(np.repeat(blocks, 8, 0), 8, 1)
    assert np.array_equal(
        compose(dense, before, (12, 16), (48, 64), block=1), compose(blocks, before, (12, 16), (48, 64))
    )
