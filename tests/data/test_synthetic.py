"""The synthetic drive: repeatable, complete in its classes, exact in its labels, and food for a real encoder."""

import io
from itertools import pairwise

import av
import numpy as np
import pytest
from av.sidedata.sidedata import Type
from numpy.typing import NDArray

from taplab.data.camvid import CLASSES
from taplab.data.synthetic import SyntheticDrive
from taplab.data.synthetic.parts import ROAD
from taplab.data.synthetic.view import SPEEDS, View
from taplab.errors import SettingError
from taplab.types import Labels, Rgb

Floats = NDArray[np.float64]


def test_frames_are_a_pure_function_of_settings_and_index() -> None:
    drive, again = SyntheticDrive(96, 128, seed=3), SyntheticDrive(96, 128, seed=3)
    later = again[40]
    for ours, theirs in zip(drive[7], again[7], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(drive[-20][0], later[0])
    longer = SyntheticDrive(96, 128, frames=300, seed=3)
    np.testing.assert_array_equal(longer[40][0], later[0])


def test_another_seed_is_another_street() -> None:
    rgb, labels = SyntheticDrive(96, 128, seed=0)[0]
    rgb2, labels2 = SyntheticDrive(96, 128, seed=1)[0]
    assert np.mean(labels != labels2) > 0.05
    assert np.mean(np.abs(rgb.astype(int) - rgb2)) > 5


@pytest.mark.parametrize("size", [(32, 32), (90, 162), (240, 100)])
def test_shapes_and_types(size: tuple[int, int]) -> None:
    drive = SyntheticDrive(*size, frames=2)
    frames = list(drive)
    assert len(frames) == len(drive) == 2
    for rgb, labels in frames:
        assert rgb.shape == (*size, 3)
        assert labels.shape == size
        assert rgb.dtype == labels.dtype == np.uint8
        assert labels.max() < len(CLASSES)
    assert drive.classes == CLASSES
    assert len(drive.palette) == len(CLASSES)
    assert drive.fps == 15.0


@pytest.mark.parametrize("index", [5, -6])
def test_no_frame_beyond_the_ends(index: int) -> None:
    with pytest.raises(IndexError, match="5 frames"):
        SyntheticDrive(32, 32, frames=5)[index]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("speed", SPEEDS)
def test_every_class_appears(seed: int, speed: str) -> None:
    drive = SyntheticDrive(seed=seed, speed=speed)
    labels = np.concatenate([drive[i][1].ravel() for i in (0, 20, 40, 59)])
    counts = np.bincount(labels, minlength=len(CLASSES))
    missing = [name for name, count in zip(CLASSES, counts, strict=True) if count < 40]
    assert not missing


def test_consecutive_frames_are_similar_but_not_equal() -> None:
    frames = list(SyntheticDrive(180, 240, frames=6, seed=5))
    for (rgb, labels), (rgb2, labels2) in pairwise(frames):
        change = np.abs(rgb.astype(int) - rgb2).mean()
        assert 1.0 < change < 20.0
        assert 0.0 < np.mean(labels != labels2) < 0.15


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"height": 361}, "even"),
        ({"width": 30}, "at least 32"),
        ({"frames": 0}, "at least 1 frame"),
        ({"seed": -1}, "0 or more"),
        ({"speed": "warp"}, "slow, medium, fast"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError, match=message) as caught:
        SyntheticDrive(**settings)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def _view(drive: SyntheticDrive, index: int) -> View:
    return drive._path.view(index / drive.fps, drive.height, drive.width)


def _ground(view: View, rows: Floats, columns: Floats) -> tuple[Floats, Floats]:
    """World x and z of the ground at these pixel centres."""
    a, b = (columns + 0.5 - view.column) / view.focal, (view.row - rows - 0.5) / view.focal
    t = -view.y / (view.fy + a * view.ry + b * view.uy)
    x = view.x + t * (view.fx + a * view.rx + b * view.ux)
    return x, view.z + t * (view.fz + a * view.rz + b * view.uz)


def _seen(view: View, x: Floats, z: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pixel row and column of ground points."""
    dx, dy, dz = x - view.x, -view.y, z - view.z
    ahead = dx * view.fx + dy * view.fy + dz * view.fz
    column = view.column + view.focal * (dx * view.rx + dy * view.ry + dz * view.rz) / ahead
    row = view.row - view.focal * (dx * view.ux + dy * view.uy + dz * view.uz) / ahead
    return np.floor(row).astype(np.int64), np.floor(column).astype(np.int64)


@pytest.mark.parametrize("seed", [0, 2])
def test_ground_moves_as_perspective_says(seed: int) -> None:
    drive = SyntheticDrive(seed=seed, speed="fast")
    (rgb, labels), (rgb2, labels2) = drive[20], drive[21]
    rows, columns = np.nonzero(labels == ROAD)
    rows, columns = rows[rows > 240], columns[rows > 240]
    row, column = _seen(_view(drive, 21), *_ground(_view(drive, 20), rows.astype(float), columns.astype(float)))
    inside = (row < drive.height) & (column >= 0) & (column < drive.width)
    before, after = (rows[inside], columns[inside]), (row[inside], column[inside])
    assert np.hypot(row[inside] - before[0], column[inside] - before[1]).mean() > 5
    assert np.mean(labels2[after] == ROAD) > 0.95
    moved = np.abs(rgb[before].astype(int) - rgb2[after]).mean()
    stayed = np.abs(rgb[before].astype(int) - rgb2[before]).mean()
    assert moved < 0.8 * stayed


def _encoded(drive: SyntheticDrive) -> io.BytesIO:
    """The drive as MPEG-4 video, one key frame and then P-frames."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=15, options={"qscale": "3", "g": "12", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = drive.width, drive.height, "yuv420p"
        stream.codec_context.flags |= av.codec.context.Flags.qscale
        stream.codec_context.global_quality = 3 * 118  # FFmpeg's units of qscale
        for rgb, _ in drive:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, "rgb24")))
        container.mux(stream.encode())
    file.seek(0)
    return file


def _warped(previous: Labels, vectors: NDArray[np.void]) -> tuple[Labels, NDArray[np.bool_]]:
    """``previous`` moved along the vectors, and which pixels [H, W] a vector covers."""
    height, width = previous.shape
    result, covered = previous.copy(), np.zeros(previous.shape, bool)
    for vector in vectors:
        w, h = int(vector["w"]), int(vector["h"])
        x, y = int(vector["dst_x"]) - w // 2, int(vector["dst_y"]) - h // 2
        dx, dy = (round(vector[name] / vector["motion_scale"]) for name in ("motion_x", "motion_y"))
        rows = np.clip(np.arange(y, y + h) + dy, 0, height - 1)
        columns = np.clip(np.arange(x, x + w) + dx, 0, width - 1)
        block = previous[np.ix_(rows, columns)]
        result[y : y + h, x : x + w] = block[: height - y, : width - x]
        covered[y : y + h, x : x + w] = True
    return result, covered


def _frames_with_vectors(file: io.BytesIO) -> list[tuple[Rgb, NDArray[np.void] | None]]:
    with av.open(file, "r") as container:
        stream = container.streams.video[0]
        stream.codec_context.options = {"flags2": "+export_mvs"}
        frames: list[tuple[Rgb, NDArray[np.void] | None]] = []
        for frame in container.decode(stream):
            data = frame.side_data.get(Type.MOTION_VECTORS)  # type: ignore[call-overload]
            rgb = frame.to_ndarray(format="rgb24").astype(np.uint8)
            frames.append((rgb, None if data is None else data.to_ndarray()))
    return frames


@pytest.mark.parametrize("speed", SPEEDS)
def test_a_real_encoder_follows_the_motion(speed: str) -> None:
    drive = SyntheticDrive(frames=10, seed=1, speed=speed)
    truth = [labels for _, labels in drive]
    frames = _frames_with_vectors(_encoded(drive))
    assert len(frames) == len(truth)
    shares, warped, copied = [], [], []
    for i, (_, vectors) in enumerate(frames[1:], 1):
        assert vectors is not None
        labels, covered = _warped(truth[i - 1], vectors)
        shares.append(covered.mean())
        warped.append(np.mean(labels == truth[i]))
        copied.append(np.mean(truth[i - 1] == truth[i]))
    assert np.mean(shares) > 0.85  # the rest is intra
    assert np.mean(warped) > 0.97
    assert np.mean(warped) > np.mean(copied)
