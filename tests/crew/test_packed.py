"""Results on their way between processes."""

import pickle

import numpy as np
import pytest

from taplab import Segmenter, SettingError
from taplab.crew.packed import packed


@pytest.fixture(scope="module")
def results(model, make_clip):
    return list(Segmenter(model, mode="paper").stream(make_clip("mpeg4"), max_frames=5))


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (1, 8), (3, 5), (4, 8), (33, 57)])
def test_labels_arrive_as_they_were(results, size):
    rng = np.random.default_rng(sum(size))
    noise = rng.integers(0, 3, size, np.uint8)
    stripes = np.repeat(rng.integers(0, 255, (size[0], 1), np.uint8), size[1], 1)
    for labels in (noise, stripes, np.zeros(size, np.uint8), np.full(size, 255, np.uint8), noise.T):
        result = type(results[0])(**{**vars(results[0]), "labels": labels})
        again = pickle.loads(pickle.dumps(packed(result))).unpacked().labels
        np.testing.assert_array_equal(again, labels)
        assert again.flags.writeable
        assert again.dtype == np.uint8


def test_everything_else_arrives_but_the_pictures(results):
    for result in results:
        again = pickle.loads(pickle.dumps(packed(result))).unpacked()
        for name in ("index", "pts_seconds", "kind", "origin", "key", "damaged", "region", "residual"):
            assert getattr(again, name) == getattr(result, name)
        for name in ("index", "display", "pts", "time_base", "width", "height", "seen", "turns"):
            assert getattr(again.frame, name) == getattr(result.frame, name)
        assert (again.frame.motion is None) == (result.frame.motion is None)
        if result.frame.motion is not None:
            assert again.frame.motion.origin == result.frame.motion.origin
        with pytest.raises(SettingError, match="leave processes out"):
            again.frame.rgb()
    assert results[0].frame.rgb().shape == (144, 192, 3)  # its own is as it was


def test_a_map_takes_little(results):
    labels = results[0].labels
    assert len(pickle.dumps(packed(results[0]))) < labels.size / 4
