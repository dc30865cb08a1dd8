import numpy as np
import pytest
from numba import njit

from taplab.types import MotionField
from taplab.video.estimate import estimate_between, estimate_motion
from taplab.video.pyramid import BORDER, Layered, pyramid
from taplab.video.reader import Video
from taplab.video.residual import measure_residual
from taplab.video.sad import block_sad


def texture(height, width, grain=4):
    rng = np.random.default_rng(0)
    image = np.kron(rng.integers(0, 256, (height // grain, width // grain)), np.ones((grain, grain)))
    for axis in (0, 1):
        image = sum(np.roll(image, k, axis) for k in range(-3, 4)) / 7
    return image.astype(np.uint8)


@pytest.mark.parametrize(("dx", "dy"), [(0, 0), (6, -4), (-10, 2)])
def test_a_shift_is_found(dx, dy):
    image = texture(160, 240)
    reference, luma = image[40:120, 40:200], image[40 + dy : 120 + dy, 40 + dx : 200 + dx]
    motion = estimate_motion(luma, reference, 3)
    assert motion.origin == "estimated"
    assert motion.fields[0].reference == 3
    inner = motion.fields[0].vectors[2:-2, 2:-2]
    assert np.mean((inner == (dx, dy)).all(-1)) > 0.9


def test_the_seed_helps_where_the_motion_is_large():
    image = texture(160, 320)
    reference, luma = image[40:120, 100:260], image[40:120, 160:320]
    seed = MotionField(0, np.full((10, 20, 2), (60, 0), np.float32), np.ones((10, 20), np.float32))
    found = estimate_motion(luma, reference, 0, seed).fields[0].vectors[2:-2, 2:-10]
    assert np.mean((found == (60, 0)).all(-1)) > 0.9


def test_half_pixels_are_found():
    """Of a picture twice as large, shifted by an odd number of its pixels."""
    large = texture(320, 480).astype(float)
    shifted = [large[20 : 20 + 256, 20 + dx : 20 + dx + 384] for dx in (0, 5)]
    reference, luma = ((a[::2, ::2] + a[1::2, ::2] + a[::2, 1::2] + a[1::2, 1::2]) / 4 for a in shifted)
    found = estimate_motion(luma.astype(np.uint8), reference.astype(np.uint8), 0).fields[0].vectors[2:-2, 2:-2]
    assert np.abs(found - (2.5, 0)).mean() < 0.25
    assert np.mean(np.abs(found - (2.5, 0)).max(-1) <= 0.5) > 0.9


def test_large_motion_is_found_without_a_seed():
    image = texture(256, 512, grain=16)
    found = estimate_motion(image[40:200, 100:420], image[64:224, 60:380], 0).fields[0].vectors[4:-4, 6:-6]
    assert np.mean((found == (40, -24)).all(-1)) > 0.9


def test_blocks_take_the_reference_that_explains_them():
    """The left half was seen before, the right half comes after."""
    before, after, other = texture(96, 160), texture(96, 160)[::-1].copy(), texture(96, 160)[:, ::-1].copy()
    luma = np.hstack([before[:, :80], after[:, 80:]])
    past, future = before.copy(), after.copy()
    past[:, 80:], future[:, :80] = other[:, 80:], other[:, :80]
    motion = estimate_between(Layered(luma), [(3, Layered(past), None), (7, Layered(future), None)])
    assert [field.reference for field in motion.fields] == [3, 7]
    first, second = (field.weight for field in motion.fields)
    assert np.all(first + second == 1)
    assert first[:, :9].mean() > 0.95
    assert second[:, 11:].mean() > 0.95
    assert motion.coded.mean() > 0.95


def test_what_was_never_there_is_not_explained():
    image = texture(160, 240) // 2
    luma = image.copy()
    luma[48:96, 96:160] = 250
    coded = estimate_motion(luma, image, 0).coded
    assert not coded[6:12, 12:20].any()
    assert coded[:, :11].all()


@pytest.mark.parametrize("size", [(64, 96), (33, 49), (17, 30)])
def test_the_pyramid_holds_means(size):
    luma = texture(64, 96)[: size[0], : size[1]]
    expected = luma
    for level in pyramid(luma):
        rows, cols = -(-expected.shape[0] // 2), -(-expected.shape[1] // 2)
        even = np.pad(expected, ((0, 2 * rows - expected.shape[0]), (0, 2 * cols - expected.shape[1])), "edge")
        quads = even.astype(int).reshape(rows, 2, cols, 2).sum((1, 3))
        expected = ((quads + 2) // 4).astype(np.uint8)
        inner = [(BORDER, level.shape[0] - BORDER - rows), (BORDER, level.shape[1] - BORDER - cols)]
        assert np.array_equal(level, np.pad(expected, inner, "edge"))
        assert (level.shape[0] % 8, level.shape[1] % 8) == (0, 0)


def test_block_sad():
    @njit
    def called(a, b, top, left, y, x):
        return block_sad(a, b, top, left, y, x)

    rng = np.random.default_rng(2)
    a, wide = rng.integers(0, 256, (24, 40), np.uint8), rng.integers(0, 256, (30, 70), np.uint8)
    b = wide[:, 3:60]  # rows apart by more than their length
    for top, left, y, x in ((0, 0, 0, 0), (16, 32, 22, 49), (5, 7, 11, 13)):
        expected = np.abs(a[top : top + 8, left : left + 8].astype(int) - b[y : y + 8, x : x + 8]).sum()
        assert called(a, b, top, left, y, x) == expected
    assert called(np.zeros((8, 8), np.uint8), np.full((8, 8), 255, np.uint8), 0, 0, 0, 0) == 64 * 255


@pytest.mark.parametrize(("codec", "most"), [("mpeg4", 1.2), ("h264", 1.5)])
def test_explains_about_as_much_as_the_codec_s_own_vectors(make_clip, codec, most):
    theirs, own, none = [], [], []
    for frame in Video(make_clip(codec)).frames():
        if frame.motion is not None:
            luma, references, motion, rounding = frame.measure.args
            estimated = estimate_motion(luma, references[0], 0)
            still = MotionField(0, motion.fields[0].vectors * 0, motion.fields[0].weight)
            theirs.append(frame.residual.score)
            own.append(measure_residual(luma, references, estimated, 30).score)
            none.append(measure_residual(luma, references, type(motion)((still,), motion.coded), 30, rounding).score)
    assert np.mean(own) < np.mean(none)
    assert np.mean(own) < most * np.mean(theirs)


@pytest.mark.parametrize("size", [(8, 8), (17, 31), (33, 49), (50, 50)])
def test_odd_and_small_sizes(size):
    luma = texture(64, 64)[: size[0], : size[1]]
    motion = estimate_motion(luma, luma, 0)
    assert motion.coded.shape == (-(-size[0] // 8), -(-size[1] // 8))
    assert motion.fields[0].vectors.shape == (*motion.coded.shape, 2)
    assert np.all(motion.fields[0].vectors == 0)
