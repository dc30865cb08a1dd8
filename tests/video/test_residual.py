import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taplab.types import Motion, MotionField
from taplab.video.encode import encode_clip
from taplab.video.reader import Video
from taplab.video.residual import measure_residual


def plain_residual(luma, references, motion, threshold, rounding):
    """The definition, pixel by pixel: bilinear at quarter-pels, MPEG's rounding, borders continued."""
    height, width = luma.shape
    y, x = np.mgrid[:height, :width]
    share = motion.fields[0].weight[y // 8, x // 8]
    predictions = []
    for field, reference in zip(motion.fields, references, strict=True):
        q = np.rint(field.vectors * 4).astype(int)[y // 8, x // 8]
        fx, fy = q[..., 0] & 3, q[..., 1] & 3
        x0, y0 = x + (q[..., 0] >> 2), y + (q[..., 1] >> 2)

        def pixel(dy, dx, x0=x0, y0=y0, reference=reference):
            return reference[np.clip(y0 + dy, 0, height - 1), np.clip(x0 + dx, 0, width - 1)].astype(int)

        value = (4 - fy) * ((4 - fx) * pixel(0, 0) + fx * pixel(0, 1)) + fy * (
            (4 - fx) * pixel(1, 0) + fx * pixel(1, 1)
        )
        bias = np.where((fx > 0) & (fy > 0), 4, 0) if rounding else 8
        predictions.append((value + bias) >> 4)
    both = (predictions[0] + predictions[-1] + 1) >> 1
    predicted = np.where(share >= 1, predictions[0], np.where(share <= 0, predictions[-1], both))
    res = np.abs(luma.astype(int) - predicted)
    pad = ((0, -height % 16), (0, -width % 16))
    blocks = [np.pad(v, pad).reshape(-(-height // 16), 16, -1, 16).sum((1, 3)) for v in (res, res > threshold)]
    return blocks


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    height=st.integers(8, 70),
    width=st.integers(8, 70),
    rounding=st.integers(0, 1),
    two=st.booleans(),
    reach=st.sampled_from([1, 6, 90]),
)
def test_kernel_equals_the_definition(seed, height, width, rounding, two, reach):
    rng = np.random.default_rng(seed)
    luma, a, b = rng.integers(0, 256, (3, height, width), dtype=np.uint8)
    shape = (-(-height // 8), -(-width // 8))
    first = rng.choice(np.float32([0, 0.5, 1]), shape) if two else np.ones(shape, np.float32)
    # Runs of equal vectors, so that both whole macroblocks and small blocks occur.
    vectors = [np.repeat(rng.integers(-reach, reach + 1, (shape[0], 1, 2)) / 4, shape[1], 1) for _ in range(2)]
    fields = tuple(
        MotionField(i, v.astype(np.float32), w)
        for i, (v, w) in enumerate(zip(vectors, (first, 1 - first), strict=True))
    )
    motion = Motion(fields if two else fields[:1], np.ones(shape, bool))
    references = (a, b) if two else (a,)
    residual = measure_residual(luma, references, motion, 30, rounding)
    sums, counts = plain_residual(luma, references, motion, 30, rounding)
    assert np.array_equal(residual.sums, sums)
    assert np.array_equal(residual.counts, counts)
    assert residual.score == pytest.approx(sums.sum() / luma.size)


def shifted(step, frames=12, height=96, width=160):
    """Smooth texture that moves by ``step`` half pixels a frame; the left third stands still."""
    rng = np.random.default_rng(0)
    big = np.kron(rng.integers(40, 216, (height // 6 + 2, (width * 2 + 100) // 12 + 2)), np.ones((6, 12)))
    kernel = np.ones(9) / 9
    big = np.apply_along_axis(lambda r: np.convolve(r, kernel, "same"), 1, big)
    big = np.apply_along_axis(lambda r: np.convolve(r, kernel, "same"), 0, big)[:height]
    for i in range(frames):
        moved = big[:, i * step : i * step + 2 * width].reshape(height, width, 2).mean(2)
        moved[:, : width // 3] = big[:, : width // 3]
        yield np.repeat(moved[..., None], 3, 2).astype(np.uint8)


def p_frames(clip):
    return [f for f in Video(clip).frames() if f.kind == "P"]


def test_skipped_blocks_of_mpeg4_are_zero_to_the_last_bit(tmp_path):
    clip = encode_clip(tmp_path / "still.mp4", shifted(3), codec="mpeg4", quality=3)
    for frame in p_frames(clip):
        assert frame.residual.sums[:, :3].sum() == 0  # 48 of the 53 columns that never change


@pytest.mark.parametrize("step", [1, 3])
def test_half_pel_prediction_of_mpeg4_is_exact_with_its_rounding_flag(tmp_path, step):
    """At the coarsest quantiser most blocks are coded by their vector alone: these must come out as zero."""
    clip = encode_clip(tmp_path / "shift.mp4", shifted(step), codec="mpeg4", quality=31)
    exact = other = 0
    for frame in p_frames(clip):
        luma, references, motion, rounding = frame.measure.args
        half = (np.rint(motion.fields[0].vectors * 2).astype(int) & 1).any(-1)[::2, ::2] & motion.coded[::2, ::2]
        exact += (frame.residual.sums[half] == 0).sum()
        other += (measure_residual(luma, references, motion, 30, 1 - rounding).sums[half] == 0).sum()
    assert exact > 100
    assert other < exact / 4


def test_h264_residual_is_small_where_motion_is_right(make_clip):
    """Bilinear quarter-pels and the loop filter leave a little; no motion leaves much more."""
    moving, standing = [], []
    for frame in Video(make_clip("h264")).frames():
        if frame.kind == "P":
            luma, references, motion, rounding = frame.measure.args
            still = MotionField(motion.fields[0].reference, motion.fields[0].vectors * 0, motion.fields[0].weight)
            moving.append(frame.residual.score)
            standing.append(measure_residual(luma, references, Motion((still,), motion.coded), 30, rounding).score)
    assert np.mean(moving) < 0.7 * np.mean(standing)
