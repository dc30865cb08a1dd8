from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from taplab.errors import OutputError
from taplab.output.masks import MaskWriter

PALETTE = [(10, 20, 30), (128, 64, 128), (0, 130, 180)]


@pytest.fixture
def write(tmp_path, result_of, grey):
    def run(masks, folder=tmp_path / "masks"):
        picture = grey(masks[0].shape[1], masks[0].shape[0])
        with MaskWriter(folder, PALETTE) as writer:
            for index, labels in enumerate(masks):
                writer.write(result_of(index, picture, labels))
        return folder

    return run


def test_labels_survive_as_indices(write):
    generator = np.random.default_rng(0)
    masks = [generator.choice(np.array([0, 1, 2, 255], np.uint8), (37, 51)) for _ in range(20)]
    folder = write(masks)
    assert sorted(path.name for path in folder.iterdir()) == [f"{index:06d}.png" for index in range(20)]
    for index, labels in enumerate(masks):
        with Image.open(folder / f"{index:06d}.png") as image:
            assert image.mode == "P"
            np.testing.assert_array_equal(np.asarray(image), labels)


def test_palette_is_visible_and_ignore_is_white(write):
    folder = write([np.array([[0, 1, 2, 7, 255]], np.uint8)])
    with Image.open(folder / "000000.png") as image:
        colours = np.asarray(image.convert("RGB"))[0].tolist()
    assert colours == [[10, 20, 30], [128, 64, 128], [0, 130, 180], [0, 0, 0], [255, 255, 255]]


def test_rows_of_a_larger_array_are_accepted(write):
    labels = np.arange(200, dtype=np.uint8).reshape(10, 20)[:, ::2]
    folder = write([labels])
    with Image.open(folder / "000000.png") as image:
        np.testing.assert_array_equal(np.asarray(image), labels)


def test_flat_label_maps_stay_small(write):
    labels = np.repeat(np.arange(8, dtype=np.uint8), 64)[:, None].repeat(1024, axis=1)
    assert (write([labels]) / "000000.png").stat().st_size < labels.size / 40


def test_folder_that_cannot_be_made_is_told_in_one_line(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="file/masks") as caught:
        MaskWriter(tmp_path / "file" / "masks", PALETTE)
    assert "\n" not in str(caught.value)


def test_failure_in_the_background_reaches_the_caller(tmp_path, result_of, grey):
    folder = tmp_path / "masks"
    writer = MaskWriter(folder, PALETTE)
    folder.rmdir()
    result = result_of(0, grey(8, 8), np.zeros((8, 8), np.uint8))
    writer.write(result)
    with pytest.raises(OutputError, match="cannot be written"):
        writer.close()


def test_masks_handed_in_are_on_disk_when_the_block_fails(tmp_path, result_of, grey):
    def interrupted() -> None:
        with MaskWriter(tmp_path, PALETTE) as writer:
            for index in range(5):
                writer.write(result_of(index, grey(8, 8), np.zeros((8, 8), np.uint8)))
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        interrupted()
    assert [path.name for path in sorted(Path(tmp_path).iterdir())] == [f"{index:06d}.png" for index in range(5)]


def test_waiting_is_counted(tmp_path, result_of, grey):
    labels = np.random.default_rng(0).integers(0, 200, (600, 800), dtype=np.uint8)
    with MaskWriter(tmp_path, PALETTE) as writer:
        for index in range(30):
            writer.write(result_of(index, grey(8, 8), labels))
    assert 0 < writer.waited < 30
