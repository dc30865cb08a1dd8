import sys

import numpy as np
import pytest
import torch

from taplab.data.synthetic import SyntheticDrive
from taplab.errors import MissingExtraError, ModelError
from taplab.modules.ffw import compose
from taplab.modules.flow import Dis, Farneback, ask


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


IMAGE = np.zeros((6, 8, 3), np.uint8)


def test_a_users_numbers_become_float32():
    for kind in (np.float32, np.float64, np.int16):
        found = ask(lambda now, before, kind=kind: np.ones((2, 6, 8), kind).transpose(1, 2, 0), "mine", IMAGE, IMAGE)
        assert (found.dtype, found.shape, found.flags.c_contiguous) == (np.float32, (6, 8, 2), True)
        assert (found == 1).all()


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (
            np.zeros((2, 6, 8), np.float32),
            r"returned float32 \[2, 6, 8\]; return float32 \[H, W, 2\], here \[6, 8, 2\]",
        ),
        (np.zeros((3, 4, 2)), r"returned float64 \[3, 4, 2\]"),
        (np.zeros((6, 8, 2), complex), "returned complex128"),
        (torch.zeros(6, 8, 2), r"returned Tensor \[6, 8, 2\]"),
        (None, "returned NoneType; return"),
        (np.full((6, 8, 2), np.nan), "returned numbers that are not finite"),
    ],
)
def test_what_is_no_flow_is_told(found, says):
    with pytest.raises(ModelError, match=f"^mine: {says}"):
        ask(lambda now, before: found, "mine", IMAGE, IMAGE)


def test_what_a_users_code_raises_is_told_in_one_line():
    def flow(now, before):
        raise ValueError("oh\nno " + 900 * "and so on ")

    with pytest.raises(ModelError) as told:
        ask(flow, "mine", IMAGE, IMAGE)
    assert str(told.value).startswith("mine: raised ValueError: oh no and so on")
    assert len(str(told.value)) < 350
    assert "\n" not in str(told.value)

    def without_extra(now, before):
        raise MissingExtraError("pip install")

    with pytest.raises(MissingExtraError):
        ask(without_extra, "mine", IMAGE, IMAGE)


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
