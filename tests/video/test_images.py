"""A folder of images as a source: some of them broken, turned, of 16 bits."""

import numpy as np
import pytest
from PIL import Image

from taplab import Segmenter, SourceError
from taplab.data.synthetic import SyntheticDrive
from taplab.video.images import ImageFolder

MODES = ("offline", "live", "paper", "per-frame", "itp")


@pytest.fixture
def folder(tmp_path):
    """``folder(*broken)``: twelve images of 96x128; those of the numbers are cut in half, as "empty" or "text"."""

    def folder(broken, how="cut", suffix=".png"):
        images = tmp_path / f"{how}{suffix}"
        images.mkdir()
        for i, (rgb, _) in enumerate(SyntheticDrive(96, 128, 12, seed=5)):
            file = images / f"{i:02d}{suffix}"
            Image.fromarray(rgb).save(file)
            if i in broken:
                whole = file.read_bytes()
                file.write_bytes({"cut": whole[: len(whole) // 2], "empty": b"", "text": b"no image"}[how])
        return images

    return folder


@pytest.mark.parametrize("mode", MODES)
def test_the_others_keep_their_numbers(folder, model, tmp_path, mode):
    broken = (0, 4, 5, 11)
    images = folder(broken)
    seen = []
    summary = Segmenter(model, mode=mode, lanes=2).run(
        images, tmp_path / "out", on_frame=lambda run, result: seen.append((result.index, result.damaged))
    )
    there = [i for i in range(12) if i not in broken]
    assert seen == [(i, False) for i in there]
    assert sorted(f.name for f in (tmp_path / "out/masks").iterdir()) == [f"{i:06d}.png" for i in there]
    assert (summary.frames, summary.damaged) == (8, 4)
    assert summary.broke_off == "00.png and 3 more cannot be read as an image"
    if mode == "per-frame":
        for i in there:
            alone = tmp_path / f"alone{i}"
            alone.mkdir()
            (alone / "0.png").write_bytes((images / f"{i:02d}.png").read_bytes())
            (labels,) = (r.labels for r in Segmenter(model).stream(alone))
            np.testing.assert_array_equal(np.array(Image.open(tmp_path / f"out/masks/{i:06d}.png")), labels)


@pytest.mark.parametrize("how", ["cut", "empty", "text"])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp", ".tif", ".ppm"])
def test_every_kind_of_broken_image(folder, how, suffix):
    images = ImageFolder(folder((3,), how, suffix))
    assert [f.display for f in images.frames()] == [0, 1, 2, *range(4, 12)]
    assert images.lost == 1


def test_motion_goes_on_from_the_last_whole_image(folder):
    frames = list(ImageFolder(folder((4, 5))).frames())
    after = frames[4]
    assert (after.index, after.display, after.damaged) == (4, 6, False)
    assert after.motion.fields[0].reference == 3
    assert {f.scene for f in frames} == {frames[0].scene}


def test_results_come_before_the_last_image_is_read(folder, model):
    segmentation = Segmenter(model, mode="live").stream(folder((0,)))
    assert next(iter(segmentation)).index == 1
    assert segmentation.network.frames <= 2


def test_none_that_can_be_read(folder):
    with pytest.raises(SourceError, match=r"00.png and 11 more cannot be read as an image; replace them") as error:
        ImageFolder(folder(range(12), "text"))
    assert "\n" not in str(error.value)


def test_photographs_are_turned_as_they_are_shown(tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6  # orientation: a quarter turn clockwise
    Image.fromarray(np.full((48, 96, 3), 90, np.uint8)).save(tmp_path / "0.jpg", exif=turned)
    images = ImageFolder(tmp_path)
    (frame,) = images.frames()
    assert (images.height, images.width) == (frame.height, frame.width) == (96, 48)


def test_of_16_bits_the_upper_8(tmp_path):
    ramp = np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)
    Image.fromarray(ramp).save(tmp_path / "0.png")
    (frame,) = ImageFolder(tmp_path).frames()
    np.testing.assert_array_equal(frame.rgb()[..., 1], ramp >> 8)
