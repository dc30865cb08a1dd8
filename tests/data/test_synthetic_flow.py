"""The true flow of the synthetic drive: frames and labels of one picture explained by those of the one before."""

import numpy as np
import pytest
from numpy.typing import NDArray

from taplab.data.synthetic import SyntheticDrive
from taplab.data.synthetic.flow import seen_before, true_flow
from taplab.data.synthetic.parts import BICYCLIST, CAR, PEDESTRIAN
from taplab.data.synthetic.view import SPEEDS

Floats = NDArray[np.float64]


def pulled(image: NDArray[np.uint8], flow: NDArray[np.float32]) -> Floats:
    """``image`` fetched from ``pixel + flow``, between pixels bilinear."""
    height, width = flow.shape[:2]
    x = np.clip(flow[..., 0] + np.arange(width), 0, width - 1)
    y = np.clip(flow[..., 1] + np.arange(height)[:, None], 0, height - 1)
    left, top = np.minimum(x.astype(int), width - 2), np.minimum(y.astype(int), height - 2)
    fx, fy = (x - left)[..., None], (y - top)[..., None]
    upper = image[top, left] * (1 - fx) + image[top, left + 1] * fx
    lower = image[top + 1, left] * (1 - fx) + image[top + 1, left + 1] * fx
    return upper * (1 - fy) + lower * fy


def nearest(labels: NDArray[np.uint8], flow: NDArray[np.float32]) -> NDArray[np.uint8]:
    height, width = labels.shape
    x = np.clip(np.rint(flow[..., 0] + np.arange(width)), 0, width - 1).astype(int)
    y = np.clip(np.rint(flow[..., 1] + np.arange(height)[:, None]), 0, height - 1).astype(int)
    return labels[y, x]


@pytest.mark.parametrize("seed", [0, 4])
@pytest.mark.parametrize("speed", SPEEDS)
def test_the_frame_before_explains_the_frame(speed: str, seed: int) -> None:
    drive = SyntheticDrive(seed=seed, speed=speed)
    flow, seen = drive.flow(40), drive.visible(40)
    assert flow.shape == (360, 480, 2)
    assert flow.dtype == np.float32
    assert seen.shape == (360, 480)
    assert 0.94 < seen.mean() < 0.995
    (rgb, labels), (rgb_before, labels_before) = drive[40], drive[39]
    explained = np.abs(pulled(rgb_before, flow) - rgb).mean(-1)
    still = np.abs(rgb_before.astype(float) - rgb).mean(-1)
    assert explained[seen].mean() < 3.5  # the sensor's noise alone, twice, is 2.3
    assert explained[seen].mean() < 0.7 * still[seen].mean()
    assert explained[~seen].mean() > 5 * explained[seen].mean()  # what is new cannot be explained
    assert np.mean(nearest(labels_before, flow)[seen] == labels[seen]) > 0.995


def test_things_that_move_have_a_motion_of_their_own() -> None:
    drives = [SyntheticDrive(seed=seed, speed="slow") for seed in range(3)]
    errors, errors_still, agree = [], [], []
    for drive in drives:
        flow, (rgb, labels), (rgb_before, labels_before) = drive.flow(30), drive[30], drive[29]
        moving = np.isin(labels, [CAR, PEDESTRIAN, BICYCLIST]) & drive.visible(30)
        errors += np.abs(pulled(rgb_before, flow) - rgb)[moving].mean(-1).tolist()
        errors_still += np.abs(rgb_before.astype(float) - rgb)[moving].mean(-1).tolist()
        agree += (nearest(labels_before, flow) == labels)[moving].tolist()
    assert np.mean(errors) < 0.5 * np.mean(errors_still)
    assert np.mean(agree) > 0.98


def test_no_time_no_motion() -> None:
    drive = SyntheticDrive(96, 128, seed=2)
    assert np.abs(true_flow(drive._scene, 1.0, 1.0)).max() < 1e-4
    assert seen_before(drive._scene, 1.0, 1.0).all()


@pytest.mark.parametrize("index", [0, -1, 5])
def test_the_first_frame_has_none_before_it(index: int) -> None:
    drive = SyntheticDrive(32, 32, frames=5)
    for ask in (drive.flow, drive.visible):
        with pytest.raises(IndexError, match="1 to 4"):
            ask(index)
