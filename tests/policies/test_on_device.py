"""``offline`` and ``live`` as on a GPU, where scores stay there: on CPU tensors, and on a GPU where there is one."""

import numpy as np
import pytest
import torch

from taplab import PaperSettings, Segmenter, TorchModel
from taplab.modules.on_device import GatheredOnDevice
from taplab.policies import keyed

MODES = [("offline", ("ffw",)), ("live", ("ffw",)), ("live", ("ffw", "rgc"))]


def run(clip, model, mode, modules):
    segmentation = Segmenter(model, mode=mode, settings=PaperSettings(modules, interval=6)).stream(clip)
    return list(segmentation), segmentation.summary()


@pytest.mark.parametrize(("mode", "modules"), MODES)
def test_labels_are_those_of_the_kernels(make_clip, model, monkeypatch, mode, modules):
    clip = make_clip("h264", gop=60, options={"bf": "2"})
    kernels, account = run(clip, model, mode, modules)
    monkeypatch.setattr(keyed, "is_on_cpu", lambda scores: False)
    made = []
    monkeypatch.setattr(GatheredOnDevice, "for_labels", lambda self, size: made.append(size) or self.scores)
    found, again = run(clip, model, mode, modules)
    assert len(made) == len(found) == len(kernels) == 30
    assert again.network_cost == pytest.approx(account.network_cost, rel=0.2)
    same = [np.mean(a.labels == b.labels) for a, b in zip(found, kernels, strict=True)]
    assert np.mean(same) > 0.985
    assert min(same) > 0.95


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize(("mode", "modules"), MODES)
def test_a_gpu_gives_the_labels_of_the_cpu(make_clip, model, mode, modules):
    clip = make_clip("h264", gop=60)
    there = TorchModel(type(model.net)(), classes=model.classes, device="cuda")
    pairs = zip(run(clip, there, mode, modules)[0], run(clip, model, mode, modules)[0], strict=True)
    assert np.mean([np.mean(a.labels == b.labels) for a, b in pairs]) > 0.98
