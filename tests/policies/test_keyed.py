import numpy as np
import pytest
import torch

from taplab import PaperSettings, Segmenter, TorchModel


class Forgets(torch.nn.Module):
    """Two classes side by side, of which it is not sure; on the first picture it is sure of a third one across both."""

    passes = 0

    def forward(self, x):
        scores = x.new_zeros(len(x), 3, x.shape[2] // 4, x.shape[3] // 4)
        rows, columns = scores.shape[-2:]
        scores[:, 0, :, : columns // 2] = scores[:, 2, :, columns // 2 :] = 0.1
        if self.passes == 0:
            scores[0, 1, rows // 4 : -rows // 4, columns // 4 : -columns // 4] = 10
        self.passes += len(x)
        return scores


@pytest.mark.parametrize("edges", [False, True])
@pytest.mark.parametrize("mode", ["live", "offline"])
def test_labels_do_not_depend_on_which_cells_are_gathered(make_clip, mode, edges):
    def labels(*, all_cells):
        model, settings = TorchModel(Forgets(), classes="abc"), PaperSettings(("ffw",), interval=4, edges=edges)
        segmenter = Segmenter(model, mode=mode, settings=settings, lanes=1 if mode == "offline" else None)
        return [result.labels for result in segmenter.stream(make_clip("mpeg4"), scores=all_cells)]

    contours = labels(all_cells=False)
    assert max(np.mean(found == 1) for found in contours[1:]) > 0.01  # the third class is carried on
    for index, (found, expected) in enumerate(zip(contours, labels(all_cells=True), strict=True)):
        assert np.array_equal(found, expected), index
