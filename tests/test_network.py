import platform
from contextlib import closing

import numpy as np
import pytest
import torch

from taplab import PaperSettings, Segmenter, TorchModel
from taplab.models.base import Model
from taplab.network import Network
from taplab.policies.base import Ask
from taplab.timing import Stopwatch
from taplab.types import CodedFrame, Region
from taplab.video import open_video

SWSCALE_ROUNDS_AS_WE_DO = platform.machine() in ("x86_64", "AMD64")


class Told(Model):
    """Follows by giving what was carried, and remembers what it was told."""

    follow_cost = 0.25

    def __init__(self, model, logarithm=False):
        self.logarithm = logarithm  # what is carried on are scores
        self.model, self.classes, self.palette, self.name = model, model.classes, model.palette, "told"
        self.calls = []

    def __call__(self, images):
        return self.model(images)

    def follow(self, images, carried, match):
        self.calls.append((images.shape, carried.shape, match.shape))
        assert torch.allclose(carried.sum(1), torch.ones(()), atol=1e-4)
        assert 0 <= float(match.min()) <= float(match.max()) <= 1
        return carried.clamp(min=1e-6).log() if self.logarithm else carried


def run(model, clip, mode, lanes=4):
    segmentation = Segmenter(model, mode=mode, settings=PaperSettings(("ffw",)), lanes=lanes).stream(clip)
    return list(segmentation), segmentation.summary()


@pytest.mark.parametrize("mode", ["offline", "live"])
def test_every_frame_between_key_frames_is_followed(model, make_clip, mode):
    told, clip = Told(model, logarithm=mode == "live"), make_clip()
    plain, _ = run(model, clip, mode)
    results, summary = run(told, clip, mode)
    assert {r.origin for r in results if not r.key} == {"followed"}
    agreement = [np.mean(a.labels == b.labels) for a, b in zip(plain, results, strict=True)]
    assert min(agreement) == 1 if mode == "offline" else min(agreement) > 0.9  # live remembers what was said
    keys = sum(r.key for r in results)
    assert summary.network_cost == pytest.approx((keys + 0.25 * (30 - keys)) / 30, abs=1e-4)
    assert sum(carried[0] for _, carried, _ in told.calls) == 30 - keys


def test_lanes_share_glances(model, make_clip):
    told = Told(model)
    run(told, make_clip(), "offline", lanes=3)
    assert max(images[0] for images, _, _ in told.calls) > 1


@pytest.mark.parametrize("mode", ["paper", "per-frame"])
def test_ways_that_compare_no_pictures_do_not_ask(model, make_clip, mode):
    told = Told(model)
    run(told, make_clip(), mode)
    assert told.calls == []


class Insisting(Told):
    """Says at every glance that the left half is of the last class, on finer cells; remembers what it was told."""

    def follow(self, images, carried, match):
        self.calls.append(carried[0, -1, :, : carried.shape[-1] // 2].mean().item())
        scores = torch.zeros(*carried.shape[:2], 2 * carried.shape[2], 2 * carried.shape[3])
        scores[:, -1, :, : carried.shape[3]] = 9.0
        return scores


@pytest.mark.parametrize(("mode", "remembers"), [("live", True), ("offline", False)])
def test_live_carries_on_what_was_said_at_a_glance(model, make_clip, mode, remembers):
    insisting, clip = Insisting(model), make_clip(codec="h264", gop=30, options={"bf": "0"})
    results, _ = run(insisting, clip, mode, lanes=1)
    assert all(r.labels[:, : r.labels.shape[1] // 2 - 8].min() == len(model.classes) - 1 for r in results if not r.key)
    first, second = insisting.calls[:2]
    assert (0.05 < second - first < 0.4) is remembers  # a tenth, beside a half of the key frame two frames back


def test_who_glances_at_every_frame_has_no_regions(model, make_clip):
    settings = PaperSettings(("ffw", "rgc"), interval=6)
    segmentation = Segmenter(Told(model, logarithm=True), mode="live", settings=settings, budget=0.5).stream(
        make_clip()
    )
    assert {result.origin for result in segmentation} == {"network", "followed"}
    summary = segmentation.summary()
    assert (summary.crops, summary.notes) == (0, ["rgc: no regions, the network glances at every frame"])
    assert summary.network_cost <= 0.5


@pytest.mark.parametrize("mode", ["live", "offline"])
def test_scores_that_are_kept_are_probabilities_after_a_glance_too(model, make_clip, mode):
    told = Told(model, logarithm=True)
    for result in Segmenter(told, mode=mode).stream(make_clip(), max_frames=6, scores=True):
        assert result.scores is not None
        assert np.allclose(result.scores.astype(np.float32).sum(0), 1, atol=2e-3)
        assert result.scores.min() >= 0


def test_frames_that_no_other_refers_to_are_glanced_at_too(model, make_clip):
    told = Told(model, logarithm=True)
    results, _ = run(told, make_clip(codec="h264", gop=30, options={"bf": "3", "b_strategy": "0"}), "live")
    assert {r.origin for r in results if r.kind == "B"} == {"followed"}
    assert [r.index for r in results] == list(range(30))


class Counted(Told):
    """Without glances; remembers how many pictures it was shown at a time."""

    follow_cost = None

    def __call__(self, images):
        self.calls.append(len(images))
        return self.model(images)


@pytest.mark.parametrize("options", [{}, {"bf": "2"}])
@pytest.mark.parametrize("mode", ["offline", "paper", "per-frame"])
def test_key_frames_of_all_lanes_are_seen_at_once(model, make_clip, mode, options):
    clip, counted = make_clip("h264", gop=60, options=options), Counted(model)
    settings = PaperSettings(("ffw",), interval=4)
    one = list(Segmenter(model, mode=mode, settings=settings, lanes=1).stream(clip))
    segmentation = Segmenter(counted, mode=mode, settings=settings, lanes=3).stream(clip)
    for a, b in zip(one, segmentation, strict=True):
        assert np.mean(a.labels == b.labels) > 0.999
    assert sum(counted.calls) == sum(r.key for r in one)  # none twice, none that is not asked for
    assert min(counted.calls[:-1]) >= 3
    assert segmentation.network._known == {}


def test_small_pictures_share_passes_of_four_lanes(model, make_clip):
    clip, counted = make_clip(gop=60), Counted(model)
    segmenter = Segmenter(counted, settings=PaperSettings(("ffw",), interval=3))
    list(segmenter.stream(clip))
    assert max(counted.calls) == 5  # and the key frame that the last lane ends with
    assert segmenter._lanes_for((1024, 2048)) == 2
    assert Segmenter(counted, settings=PaperSettings(("ffw",), interval=90))._lanes_for((90, 120)) == 1


@pytest.fixture
def on_device(model):
    """The same network, which takes pictures as a GPU's do: where their colours are converted."""
    twin = TorchModel(model.net, classes=model.classes, name="on device")
    assert not twin.takes_tensors
    twin.takes_tensors = True
    return twin


@pytest.mark.parametrize("modules", [("ffw",), ("ffw", "rgc")])
@pytest.mark.parametrize("mode", ["paper", "live"])
def test_colours_converted_on_the_device_give_the_same_labels(model, on_device, make_clip, mode, modules, monkeypatch):
    settings, clip = PaperSettings(modules), make_clip("h264", options={"bf": "0"})
    plain = list(Segmenter(model, mode=mode, settings=settings).stream(clip))
    monkeypatch.setattr(CodedFrame, "rgb", None)  # nobody may ask the processor
    for a, b in zip(plain, Segmenter(on_device, mode=mode, settings=settings).stream(clip), strict=True):
        assert (a.origin, a.region) == (b.origin, b.region)
        assert np.mean(a.labels == b.labels) >= (1 if SWSCALE_ROUNDS_AS_WE_DO else 0.99)


@pytest.mark.parametrize("turns", range(8))
def test_pictures_on_the_device_are_turned_upright(model, on_device, make_clip, turns):
    with closing(open_video(make_clip())) as video:
        frame = next(video.frames())
        frame.turns = turns
        asks = [Ask(frame), Ask(frame, Region(16, 32, 64, 48))]
        for a, b in zip(*(Network(m, Stopwatch())(asks) for m in (model, on_device)), strict=True):
            assert torch.allclose(a, b, atol=0.1)


def test_a_subclass_is_not_given_what_it_does_not_know(model, monkeypatch):
    class Own(TorchModel):
        """Its ``__call__`` may take arrays alone."""

    monkeypatch.setattr("taplab.models.torch.check_device", str)
    net = torch.nn.Conv2d(3, 3, 1)
    assert TorchModel(net, classes=model.classes, device="meta").takes_tensors
    assert not Own(net, classes=model.classes, device="meta").takes_tensors
