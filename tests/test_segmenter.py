import gc
import json
import re
import threading
import time
import weakref

import numpy as np
import pytest
import torch
from PIL import Image

from taplab import ModelError, PaperSettings, Segmenter, SettingError, TorchModel
from taplab.errors import OutputError, SourceError
from taplab.video import open_video

FFW = PaperSettings(("ffw",))
ALL = PaperSettings(("ffw", "rgc", "rgfs"), thr_rgfs=2.0)
B_FRAMES = {"codec": "h264", "gop": 30, "options": {"bf": "3"}}


@pytest.mark.parametrize("how", [{"codec": "mpeg4"}, B_FRAMES])
@pytest.mark.parametrize("settings", [FFW, ALL, PaperSettings(("ffw",), interval=7)])
def test_the_number_of_lanes_changes_nothing(make_clip, model, how, settings):
    clip = make_clip(**how)
    runs = {}
    for lanes in (1, 3, 8):
        segmentation = Segmenter(model, settings=settings, lanes=lanes).stream(clip)
        results = list(segmentation)
        assert [r.index for r in results] == list(range(30))
        runs[lanes] = results, segmentation.summary()
    for lanes in (3, 8):
        for one, other in zip(runs[1][0], runs[lanes][0], strict=True):
            assert (one.index, one.kind, one.origin, one.key) == (other.index, other.kind, other.origin, other.key)
            assert np.mean(one.labels != other.labels) < 1e-3  # sums in another order
        assert runs[1][1].network_cost == runs[lanes][1].network_cost
        assert runs[1][1].key_frames == runs[lanes][1].key_frames


def test_the_number_of_lanes_changes_nothing_in_a_pyramid_of_b_frames(make_clip, model):
    options = {"bf": "8", "b-pyramid": "normal", "refs": "8", "b_strategy": "0", "sc_threshold": "0"}
    clip = make_clip("h264", ".mp4", gop=30, options=options)
    one, many = (list(Segmenter(model, mode="paper", lanes=n).stream(clip)) for n in (1, 4))
    for a, b in zip(one, many, strict=True):
        assert np.mean(a.labels != b.labels) < 1e-4, a.index


def test_per_frame_is_the_network_itself(make_clip, model, drive):
    segmentation = Segmenter(model, mode="per-frame").stream(make_clip("mpeg4"))
    for result in segmentation:
        scores = model(result.frame.rgb()[None])
        upsampled = torch.nn.functional.interpolate(scores, (144, 192), mode="bilinear", align_corners=False)
        assert np.mean(result.labels != upsampled.argmax(1)[0].numpy()) < 1e-3
        assert result.origin == "network"
    assert segmentation.summary().network_cost == 1.0


def test_ffw_is_close_to_the_network_at_a_tenth_of_the_cost(make_clip, model):
    clip = make_clip("mpeg4")
    every = [r.labels for r in Segmenter(model, mode="per-frame").stream(clip)]
    segmentation = Segmenter(model, settings=FFW).stream(clip)
    agreement = [np.mean(r.labels == every[r.index]) for r in segmentation]
    assert segmentation.summary().network_cost == pytest.approx(0.1)
    assert np.mean(agreement) > 0.9
    still = np.mean([np.mean(every[i // 12 * 12] == every[i]) for i in range(30)])
    assert np.mean(agreement) > still + 0.02  # warping beats holding the last key frame's labels


def test_run_leaves_masks_overlay_and_summary(make_clip, model, tmp_path):
    summary = Segmenter(model, settings=FFW).run(make_clip("h264", ".mp4", options={"bf": "2"}), tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["masks", "overlay.mp4", "summary.json"]
    masks = sorted((tmp_path / "out/masks").iterdir())
    assert [m.name for m in masks] == [f"{i:06d}.png" for i in range(30)]
    with Image.open(masks[3]) as mask:
        assert mask.mode == "P"
        assert mask.size == (192, 144)
    written = json.loads((tmp_path / "out/summary.json").read_text())
    keys = "source codec width height source_fps frames key_frames crops network_cost mode model classes device motion"
    assert {*keys.split(), "damaged"} <= set(written)
    assert set(written["seconds"]) == {"decode", "motion", "residual", "network", "warp", "labels", "write", "total"}
    assert written["frames"] == summary.frames == 30
    motion = written["motion"]
    assert motion["none"] == 3  # the I-frames
    assert motion["codec"] + motion["refined"] == 27
    assert written["damaged"] == 0


@pytest.mark.parametrize("mode", ["per-frame", "paper", "offline"])
def test_a_network_that_fails_costs_no_frame_before(make_clip, model, mode):
    class Failing(torch.nn.Module):
        passes = 0

        def forward(self, x):
            self.passes += 1
            if self.passes > 1:
                raise RuntimeError("no more")
            return model.net(x)

    segmenter = Segmenter(TorchModel(Failing(), classes=model.classes), mode=mode, settings=PaperSettings(interval=4))
    given = []
    with pytest.raises(ModelError, match="no more"):
        given.extend(result.index for result in segmenter.stream(make_clip("mpeg4", gop=30)))
    assert given == list(
        range({"per-frame": 4, "paper": 16, "offline": 12}[mode])
    )  # offline: the last lane awaits the next


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"mode": None}, "mode None: write its name"),
        ({"settings": {"interval": 3}}, "give a PaperSettings"),
        ({"settings": FFW, "interval": 3}, "interval: settings have one"),
        ({"interval": 0}, "interval"),
        ({"lanes": "2"}, "lanes '2': must be a whole number, at least 1"),
        ({"lanes": 2.5}, "lanes 2.5: must be"),
        ({"processes": True}, "processes True: must be a whole number"),
    ],
)
def test_settings_of_a_wrong_type_are_told(model, wrong, says):
    with pytest.raises(SettingError, match=says):
        Segmenter(model, **wrong)


@pytest.mark.parametrize("mode", ["paper", "live", "offline"])
def test_an_interval_is_asked_for(make_clip, model, mode):
    results = list(Segmenter(model, mode=mode, interval=5).stream(make_clip("mpeg4"), max_frames=11))
    assert [result.index for result in results if result.key] == [0, 5, 10]


def test_pictures_lie_under_labels(make_clip, model):
    (result,) = Segmenter(model).stream(make_clip("mpeg4"), max_frames=1)
    assert np.array_equal(result.rgb(), result.frame.rgb())
    result.frame.turns = 1
    assert result.upright_rgb().shape == (*result.upright.shape, 3)
    assert result.rgb().shape == (*result.labels.shape, 3)


def test_what_is_saved_has_names(make_clip, model, tmp_path):
    with pytest.raises(SettingError, match="save None: name some of overlay, masks"):
        Segmenter(model).run(make_clip("mpeg4"), tmp_path, save=None)


def test_what_is_saved_may_be_one_text(make_clip, model, tmp_path):
    summary = Segmenter(model).run(make_clip("mpeg4"), tmp_path, save="masks, jsonl", max_frames=1)
    assert summary.saved == ["masks", "jsonl"]


def test_per_frame_costs_one_also_where_the_clip_is_cut_short(make_clip, model):
    segmentation = Segmenter(model, mode="per-frame").stream(make_clip(**B_FRAMES), max_frames=6)
    assert len(list(segmentation)) == 6
    assert segmentation.summary().network_cost == 1.0


def test_a_stream_is_read_once(make_clip, model):
    segmentation = Segmenter(model).stream(make_clip("mpeg4"), max_frames=2)
    list(segmentation)
    with pytest.raises(SettingError, match="once"):
        list(segmentation)


def test_time_stops_with_the_last_frame(make_clip, model):
    segmentation = Segmenter(model).stream(make_clip("mpeg4"), max_frames=2)
    list(segmentation)
    total = segmentation.summary().seconds["total"]
    time.sleep(0.05)
    with pytest.raises(SettingError, match="once"):
        list(segmentation)
    assert segmentation.summary().seconds["total"] == total


class Third(torch.nn.Module):
    """From its third picture on ``net`` gives ``spoilt`` scores."""

    def __init__(self, net, spoilt):
        super().__init__()
        self.net, self.spoilt, self.calls = net, spoilt, 0

    def forward(self, x):
        self.calls += len(x)
        return self.net(x) if self.calls < 3 else self.spoilt(self.net(x))


@pytest.mark.parametrize("mode", ["per-frame", "paper", "live", "offline"])
@pytest.mark.parametrize(
    ("spoilt", "says"),
    [
        (lambda scores: scores * float("nan"), "not finite"),
        (lambda scores: scores[..., ::2, ::2], "it gave score maps of 36x48, now of 18x24"),
        (lambda scores: 1 / 0, "raised ZeroDivisionError"),
    ],
)
def test_a_network_that_fails_in_mid_stream_is_told(make_clip, model, mode, spoilt, says):
    broken = TorchModel(Third(model.net, spoilt), classes=("a", "b", "c"))
    with pytest.raises(ModelError, match=says):
        list(Segmenter(broken, mode=mode, settings=FFW, lanes=1).stream(make_clip("mpeg4")))


def test_an_interrupt_keeps_what_is_done(make_clip, model, tmp_path):
    def stop(run, result):
        if result.index == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Segmenter(model, settings=FFW).run(make_clip("mpeg4"), tmp_path, on_frame=stop)
    assert json.loads((tmp_path / "summary.json").read_text())["interrupted"] is True
    assert len(list((tmp_path / "masks").glob("*.png"))) == 13
    assert (tmp_path / "overlay.mp4").stat().st_size > 1000
    assert not list(tmp_path.glob("**/*part*"))


def test_a_failing_network_leaves_no_half_written_overlay(make_clip, model, tmp_path):
    class Failing(type(model.net)):
        calls = 0

        def forward(self, x):
            self.calls += 1
            if self.calls > 2:
                raise RuntimeError("out of order")
            return super().forward(x)

    model = TorchModel(Failing(), classes=("a", "b", "c"))
    with pytest.raises(ModelError, match=r"torch, given 1 x 144x192 pixels: raised RuntimeError: out of order"):
        Segmenter(model, mode="per-frame", lanes=1).run(make_clip("mpeg4"), tmp_path)
    assert not list(tmp_path.glob("overlay*"))
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["interrupted"], summary["frames"]) == (False, 2)
    assert summary["failed"].startswith("torch, given 1 x 144x192 pixels: raised RuntimeError: out of order")
    assert len(list((tmp_path / "masks").iterdir())) == 2


def test_what_the_caller_fails_in_is_told_too(make_clip, model, tmp_path):
    def fail(run, result):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Segmenter(model).run(make_clip("mpeg4"), tmp_path, on_frame=fail)
    assert json.loads((tmp_path / "summary.json").read_text())["failed"] == "ZeroDivisionError"


def test_a_folder_of_images(model, drive, tmp_path):
    for i in range(3):
        Image.fromarray(drive[i][0]).save(tmp_path / f"{i}.png")
    summary = Segmenter(model).run(tmp_path, tmp_path / "out")
    assert (summary.frames, summary.network_cost, summary.codec) == (3, 0.3333, "images")


def test_a_new_size_in_mid_stream_gets_masks_of_its_own_size(model, drive, tmp_path):
    for i, size in enumerate([(192, 144), (192, 144), (96, 80)]):
        Image.fromarray(drive[i][0]).resize(size).save(tmp_path / f"{i}.png")
    shapes = [r.labels.shape for r in Segmenter(model).stream(tmp_path)]
    assert shapes == [(144, 192), (144, 192), (80, 96)]


def test_memory_is_bounded_by_lanes_and_interval(make_clip, model):
    """Results come while the stream is still being read."""
    segmentation = Segmenter(model, settings=PaperSettings(("ffw",), interval=2), lanes=2).stream(make_clip("mpeg4"))
    results = iter(segmentation)
    next(results)
    assert segmentation.network.frames <= 8  # of 15: two lanes, and what is worked out ahead


def test_leaving_early_stops_the_reader(make_clip, model):
    def is_reading():
        return any(thread.name == "taplab-reader" for thread in set(threading.enumerate()) - before)

    before = set(threading.enumerate())
    segmenter = Segmenter(model, mode="live", settings=PaperSettings(("ffw",), interval=3))  # reads 6 frames ahead
    results = iter(segmenter.stream(make_clip("mpeg4")))
    next(results)
    assert is_reading()
    results.close()
    assert not is_reading()
    for other in set(threading.enumerate()) - before:  # of a pool, which ends with its policy
        other.join(10)
        assert not other.is_alive()


@pytest.fixture
def opened(monkeypatch):
    """The sources that segmenters open."""
    sources = []

    def note(*args, **kwargs):
        sources.append(open_video(*args, **kwargs))
        return sources[-1]

    monkeypatch.setattr("taplab.segmenter.open_video", note)
    return sources


def test_what_fails_before_the_first_frame_closes_the_source(make_clip, model, tmp_path, opened, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="another folder"):
        Segmenter(model).run(make_clip("mpeg4"), tmp_path / "file")
    (tmp_path / "overlay.mp4").write_text("somebody's")
    with pytest.raises(OutputError, match="is there already"):
        Segmenter(model).run(make_clip("mpeg4"), tmp_path)

    def refuse(size):
        raise ModelError("net: takes no such size; give another")

    monkeypatch.setattr(model, "settle", refuse)
    with pytest.raises(ModelError, match="no such size"):
        Segmenter(model).stream(make_clip("mpeg4"))
    assert len(opened) == 3
    for video in opened:
        with pytest.raises(SettingError, match="it was closed"):
            next(video.frames())


def test_bad_input(make_clip, model, tmp_path):
    clip = make_clip("mpeg4")
    with pytest.raises(SourceError, match="no such file"):
        Segmenter(model).run(tmp_path / "nothing.mp4", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="another folder"):
        Segmenter(model).run(clip, tmp_path / "file")
    with pytest.raises(SettingError, match="masks"):
        Segmenter(model).run(clip, tmp_path, save=("mask",))
    for lanes in (0, -1):
        with pytest.raises(SettingError, match="lanes"):
            Segmenter(model, lanes=lanes)
    with pytest.raises(SettingError, match="mode"):
        Segmenter(model, mode="fast")
    for number in (0, -1, 1.5, "3"):
        with pytest.raises(SettingError, match=f"max_frames {number!r}: must be a whole number, at least 1"):
            Segmenter(model).stream(clip, max_frames=number)
    with pytest.raises(SourceError, match="its name is empty"):
        Segmenter(model).stream("")


def test_a_speed_that_was_not_reached_is_told(make_clip, model):
    for asked, missed in ((1e7, True), (1e-3, False)):
        segmentation = Segmenter(model, mode="live", target_fps=asked).stream(make_clip("mpeg4"))
        assert len(list(segmentation)) == 30
        segmentation.stopwatch.add(
            "wait", 0.99 * segmentation.counts.seconds
        )  # for decoding: a file's is taplab's work
        summary = segmentation.summary()
        said = re.findall(r"asked for 1e\+07 frames a second, reached ([\d.]+)$", "\n".join(summary.notes))
        assert [float(speed) for speed in said] == [pytest.approx(summary.fps, rel=0.01, abs=0.1)] * missed


@pytest.mark.parametrize(("frames", "kept"), [(3, False), (10, True)])
def test_a_budget_that_was_not_kept_is_told(make_clip, model, frames, kept):
    segmentation = Segmenter(model, mode="live", budget=0.1).stream(make_clip("mpeg4"), max_frames=frames)
    assert len(list(segmentation)) == frames
    said = "asked for a network cost of 0.1, reached 0.3333: the first frame"
    assert any(said in note for note in segmentation.summary().notes) is not kept


def test_a_source_is_a_path(model):
    with pytest.raises(SourceError, match="list: a source is a file, a folder or a URL"):
        Segmenter(model).stream([np.zeros((8, 8, 3), np.uint8)])
    with pytest.raises(SourceError, match="for a camera write camera:0"):
        Segmenter(model).stream(0)


@pytest.mark.parametrize("mode", ["per-frame", "paper", "live", "offline"])
def test_a_decoder_is_let_go_with_its_stream(make_clip, model, mode):
    """And with it FFmpeg's pictures, without waiting for the garbage collector, which counts objects, not bytes."""
    segmentation = Segmenter(model, mode=mode).stream(make_clip("mpeg4"))
    source = weakref.ref(segmentation.source)
    gc.collect()
    gc.disable()
    try:
        for _ in segmentation:
            pass
        del segmentation, _
        assert source() is None
    finally:
        gc.enable()


def test_residuals_can_be_measured_after_the_stream(make_clip, model):
    results = list(Segmenter(model, mode="live", settings=PaperSettings(("ffw",))).stream(make_clip("mpeg4")))
    assert results[5].frame.residual.sums.any()
