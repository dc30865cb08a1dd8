"""Settings that mean nothing to a mode are refused, and left out where a file or a table of ways brings them."""

import pytest

from taplab import PaperSettings, Segmenter, SettingError
from taplab.policies import unused, used

RGC, RGFS = ("ffw", "rgc"), ("ffw", "rgfs")
MEANINGLESS = [
    ("paper", {"alpha": 0.5}),
    ("paper", {"thr_rgfs": 3.0}),
    ("auto", {"region": (96, 96)}),
    ("offline", {"stride": (48, 48)}),
    ("live", {"modules": RGC, "alpha": 0.5}),
    ("live", {"modules": RGC, "thr_rgc": 20}),
    ("per-frame", {"modules": RGC, "alpha": 0.5}),
    ("per-frame", {"edges": True}),
    ("per-frame", {"modules": RGC}),
    ("per-frame", {"modules": RGFS}),
    ("per-frame", {"motion": "refined"}),
    ("itp", {"thr_rgfs_unit": "sum"}),
    ("itp", {"motion": "codec"}),
]
OF_USE = [
    ("paper", {"modules": RGC, "alpha": 0.5, "thr_rgc": 20, "region": (96, 96), "stride": (48, 48)}),
    ("paper", {"modules": RGFS, "thr_rgfs": 3.0}),
    ("auto", {"modules": RGC, "alpha": 0.5}),
    ("live", {"modules": RGC, "region": (96, 96), "stride": (48, 48)}),
    ("live", {"modules": RGFS, "thr_rgfs": 3.0}),
    ("offline", {"modules": RGFS, "thr_rgfs": 3.0, "edges": True, "motion": "codec"}),
    ("paper", {"motion": "refined"}),
    ("per-frame", {"interval": 6}),
]


@pytest.mark.parametrize(("mode", "given"), MEANINGLESS)
def test_what_means_nothing_is_refused(model, mode, given):
    settings, name = PaperSettings(**given), list(given)[-1]
    with pytest.raises(SettingError, match=rf"{name} .*; leave it out") as error:
        Segmenter(model, mode=mode, settings=settings)
    assert isinstance(error.value, ValueError)
    assert used(settings, mode) == PaperSettings(modules=("ffw",) if mode == "per-frame" else settings.modules)


@pytest.mark.parametrize(("mode", "given"), OF_USE)
def test_what_is_of_use_is_not(model, mode, given):
    settings = PaperSettings(**given)
    assert Segmenter(model, mode=mode, settings=settings).settings == settings
    assert used(settings, mode) == settings


def test_a_dial_chooses_key_frames_without_rgfs(model):
    with pytest.raises(SettingError, match=r"thr_rgfs 3\.0: key frames are chosen by the motion"):
        Segmenter(model, settings=PaperSettings(RGFS, 24, thr_rgfs=3.0), budget=0.5)
    with pytest.raises(SettingError, match=r"modules ffw,rgfs: key frames are chosen by the motion"):
        Segmenter(model, settings=PaperSettings(RGFS, 24), budget=0.5)
    assert unused(PaperSettings(RGFS, thr_rgfs=3.0), "auto") == {}


def test_what_a_stream_makes_no_use_of_is_told(model, make_clip, monkeypatch):
    """Only an open source tells whether it is live; with "auto" it is then too late to refuse."""
    monkeypatch.setattr("taplab.video.reader.Video.live", property(lambda self: True))
    segmentation = Segmenter(model, settings=PaperSettings(RGC, alpha=0.5)).stream(make_clip("mpeg4"), reconnect=0)
    list(segmentation)
    assert segmentation.policy.name == "live"
    assert [note for note in segmentation.notes if note.startswith("alpha is not used: mode live chooses")]
