"""Modes as on a GPU: there, or on the processor by Triton's interpreter."""

import numpy as np
import pytest
import torch

pytest.importorskip("triton")

from taplab import PaperSettings, Segmenter, TorchModel
from taplab.scoremap import on_device
from taplab.scoremap.on_device import GatheredOnDevice

MODES = [("offline", ("ffw",)), ("live", ("ffw", "rgc")), ("paper", ("ffw",))]


def run(clip, model, mode, modules, frames=None):
    settings = PaperSettings(modules, interval=3 if frames else 6)
    segmentation = Segmenter(model, mode=mode, settings=settings).stream(clip, max_frames=frames)
    return list(segmentation), segmentation.summary()


@pytest.fixture
def interpreted(monkeypatch):
    """Scores on the processor go the way of those on a GPU, on one thread: the interpreter knows no others.

    For one cell it takes as long as for many.
    """
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    monkeypatch.setattr(on_device, "takes", lambda scores: True)
    monkeypatch.setattr(on_device, "_CELLS", 1 << 11)
    monkeypatch.setattr(on_device, "_NUMBERS", 1 << 14)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize(("mode", "modules"), MODES)
def test_labels_are_those_of_the_processor(make_clip, model, monkeypatch, request, mode, modules):
    clip = make_clip("h264", gop=60, options={"bf": "2"})
    there, account = run(clip, model, mode, modules, 6)
    request.getfixturevalue("interpreted")
    made, plain = [], GatheredOnDevice.for_labels
    monkeypatch.setattr(GatheredOnDevice, "for_labels", lambda self, size: made.append(size) or plain(self, size))
    found, again = run(clip, model, mode, modules, 6)
    assert len(made) == (0 if mode == "paper" else 6)
    assert again.network_cost == pytest.approx(account.network_cost, rel=0.2)
    same = [np.mean(a.labels == b.labels) for a, b in zip(found, there, strict=True)]
    assert np.mean(same) > 0.985
    assert min(same) > 0.95


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize(("mode", "modules"), MODES)
@pytest.mark.parametrize("options", [{}, {"bf": "2"}])
def test_a_gpu_gives_the_labels_of_the_processor(make_clip, model, mode, modules, options):
    clip = make_clip("h264", gop=60, options=options)
    there = TorchModel(type(model.net)(), classes=model.classes, device="cuda")
    pairs = zip(run(clip, there, mode, modules)[0], run(clip, model, mode, modules)[0], strict=True)
    same = [np.mean(a.labels == b.labels) for a, b in pairs]
    assert np.mean(same) > 0.985
    assert min(same) > 0.95
