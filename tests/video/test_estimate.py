import numpy as np
import pytest

from taplab.types import MotionField
from taplab.video.estimate import estimate_motion
from taplab.video.reader import Video
from taplab.video.residual import measure_residual


def texture(height, width):
    rng = np.random.default_rng(0)
    image = np.kron(rng.integers(0, 256, (height // 4, width // 4)), np.ones((4, 4)))
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


def test_close_to_the_codec_s_own_vectors(make_clip):
    codec, own, none = [], [], []
    for frame in Video(make_clip("mpeg4")).frames():
        if frame.motion is not None:
            luma, references, motion, rounding = frame.measure.args
            estimated = estimate_motion(luma, references[0], 0)
            still = MotionField(0, motion.fields[0].vectors * 0, motion.fields[0].weight)
            codec.append(frame.residual.score)
            own.append(measure_residual(luma, references, estimated, 30).score)
            none.append(measure_residual(luma, references, type(motion)((still,), motion.coded), 30, rounding).score)
    assert np.mean(own) < np.mean(none)
    assert np.mean(own) < 1.6 * np.mean(codec)


@pytest.mark.parametrize("size", [(8, 8), (17, 31), (33, 49), (50, 50)])
def test_odd_and_small_sizes(size):
    luma = texture(64, 64)[: size[0], : size[1]]
    motion = estimate_motion(luma, luma, 0)
    assert motion.coded.shape == (-(-size[0] // 8), -(-size[1] // 8))
    assert motion.fields[0].vectors.shape == (*motion.coded.shape, 2)
    assert np.all(motion.fields[0].vectors == 0)
