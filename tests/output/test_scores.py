import numpy as np
import pytest

from taplab import Segmenter, SettingError
from taplab.labels import labels_from_scores
from taplab.output.scores import ScoreWriter


@pytest.mark.parametrize("mode", ["offline", "live", "paper", "per-frame"])
def test_labels_are_made_of_the_scores(make_clip, model, mode):
    import torch

    for result in Segmenter(model, mode=mode).stream(make_clip("mpeg4"), max_frames=14, scores=True):
        assert (result.scores.dtype, result.scores.shape) == (np.float16, (3, 36, 48))
        again = labels_from_scores(torch.from_numpy(result.scores), result.labels.shape)
        assert np.mean(again == result.labels) > 0.995  # float16


def test_scores_are_made_only_if_asked_for(make_clip, model):
    assert all(r.scores is None for r in Segmenter(model).stream(make_clip("mpeg4"), max_frames=2))


def test_a_file_a_frame(make_clip, model, tmp_path):
    Segmenter(model).run(make_clip("mpeg4"), tmp_path, save=("scores",), max_frames=13)
    files = sorted((tmp_path / "scores").iterdir())
    assert [file.name for file in files] == [f"{k:06d}.npy" for k in range(13)]
    expected = [r.scores for r in Segmenter(model).stream(make_clip("mpeg4"), max_frames=13, scores=True)]
    assert all(np.array_equal(np.load(file), one) for file, one in zip(files, expected, strict=True))


def test_scores_lie_as_masks_do(tmp_path, result_of, grey):
    scores = np.arange(24, dtype=np.float16).reshape(2, 3, 4)
    result = result_of(0, grey(8, 6), np.zeros((6, 8), np.uint8), scores=scores)
    result.frame.turns = 1
    with ScoreWriter(tmp_path) as writer:
        writer.write(result)
    found = np.load(tmp_path / "000000.npy")
    assert np.array_equal(found, np.rot90(scores, 1, axes=(1, 2)))
    assert found.shape[1:] == (4, 3)


def test_scores_beyond_half_precision_stay_finite(make_clip):
    import torch

    from taplab import TorchModel

    class Loud(torch.nn.Module):
        def forward(self, x):
            return torch.cat([x.mean(1, keepdim=True) * 1e6, -x.mean(1, keepdim=True) * 1e6], 1)[..., ::4, ::4]

    model = TorchModel(Loud(), classes=("a", "b"))
    (result,) = Segmenter(model, mode="per-frame").stream(make_clip("mpeg4"), max_frames=1, scores=True)
    assert np.abs(result.scores).max() == np.finfo(np.float16).max


def test_a_result_without_scores_is_refused(tmp_path, result_of, grey):
    with ScoreWriter(tmp_path) as writer, pytest.raises(SettingError, match="scores=True"):
        writer.write(result_of(0, grey(8, 6), np.zeros((6, 8), np.uint8)))
