"""Calibration: exact shares, the frames that count, and folders of images."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from taplab.calibrate import ClipScores, Curve, FolderEncoding, check_source, measure
from taplab.errors import MissingExtraError, OutputError, SettingError, SourceError
from taplab.lanes import mark_keys
from taplab.output.share_curve import check_picture, draw_share_curve
from taplab.policies import Paper, PaperSettings
from taplab.video import open_video

SCORES = st.floats(0, 255) | st.sampled_from([0.0, 1.5, 2.0, 2.005, 3.0])  # with ties
SHARE = st.floats(0, 1, exclude_min=True, exclude_max=True) | st.sampled_from([0.1, 0.29, 0.3, 0.7])


def clip(scores, name="clip"):
    return ClipScores(name, "mpeg4", 64, 48, 1, 0, np.array(scores, float))


@pytest.fixture
def folder(drive, tmp_path):
    path = tmp_path / "frames"
    path.mkdir()
    for i in range(14):
        Image.fromarray(drive[i][0]).save(path / f"{i:03d}.png")
    return path


@given(st.lists(SCORES, min_size=1, max_size=60), SHARE)
def test_the_largest_share_not_above_the_asked_one(scores, share):
    curve = Curve([clip(scores[: len(scores) // 2]), clip(scores[len(scores) // 2 :])])
    threshold = curve.threshold(share)

    def reached(at):
        return sum(score > at for score in scores) / len(scores)

    assert curve.share(threshold) == reached(threshold) <= share
    possible = [reached(at) for at in scores]  # the share changes at the scores alone
    assert reached(threshold) == max(p for p in possible if p <= share)
    assert float(repr(threshold)) == threshold


def test_thresholds_have_few_digits():
    curve = Curve([clip(np.linspace(1, 2, 1000) + 1e-9)])
    assert curve.threshold(0.1) == 1.9
    assert Curve([clip([1.23456, 1.23459, 1.3])]).threshold(0.67) in (1.23456, 1.23457)
    assert Curve([clip([1.23456, 1.24, 1.3])]).threshold(0.67) == 1.235


@pytest.mark.parametrize("share", [0, 1, -0.1, 10, float("nan")])
def test_shares_outside(share):
    with pytest.raises(SettingError, match="must lie between 0 and 1"):
        Curve([clip([1, 2])]).threshold(share)


@pytest.mark.parametrize(
    ("codec", "how"), [("mpeg4", {}), ("h264", {"gop": 30}), ("h264", {"options": {"bf": "2"}}), ("hevc", {})]
)
def test_the_share_is_what_the_policy_does(make_clip, codec, how):
    """Of the frames that are no key frame without RGFS, so many are one with the chosen threshold."""
    path = make_clip(codec, ".mkv", **how)
    measured = measure(path)
    curve = Curve([measured])
    policy = Paper(PaperSettings(("ffw", "rgfs"), thr_rgfs=curve.threshold(0.3)))
    keys = sum(policy.is_key(frame) for frame in mark_keys(open_video(path).frames(), 12))
    assert measured.frames == 30
    assert measured.unmeasured == 0
    assert keys - measured.keys == round(curve.share(curve.threshold(0.3)) * (30 - measured.keys)) > 5


def test_the_interval_counts_apart(make_clip):
    path = make_clip("mpeg4", gop=30)
    assert [measure(path, interval=n).keys for n in (30, 12, 1)] == [1, 3, 30]
    assert len(measure(path, max_frames=10).scores) == 9


def test_frames_without_motion_count_apart(make_clip, tmp_path):
    whole = make_clip("mpeg4", ".avi", gop=30).read_bytes()
    at = whole.index(b"00dc", whole.index(b"movi") + 8 + len(whole) // 3)  # a packet in the middle of the only GOP
    (tmp_path / "hurt.avi").write_bytes(whole[: at + 8] + bytes(200) + whole[at + 208 :])
    measured = measure(tmp_path / "hurt.avi", interval=30)
    assert measured.unmeasured > 0
    assert len(measured.scores) > 0
    assert measured.keys == 1


def test_a_folder_is_encoded_as_asked(folder):
    stages = []
    assert check_source(folder, FolderEncoding()) == 28
    measured = measure(folder, encoding=FolderEncoding(gop=7), on_frame=stages.append)
    assert stages == ["encode"] * 14 + ["measure"] * 14
    assert (measured.source, measured.codec, measured.keys, len(measured.scores)) == (str(folder), "mpeg4", 2, 12)
    assert measured.images
    assert not measured.unlike
    assert measure(folder, max_frames=5).frames == check_source(folder, FolderEncoding(), 5) / 2 == 5
    coarse = measure(folder, encoding=FolderEncoding(quality=25))
    assert coarse.scores.mean() < 0.5 * measured.scores.mean()  # a coarse quantiser leaves most of it out
    assert measure(folder, encoding=FolderEncoding("h264")).codec == "h264"


def test_images_that_cannot_be_read_are_left_out(folder):
    """As ``segment`` leaves them out."""
    (folder / "000.png").write_text("hello")
    (folder / "009.png").write_bytes((folder / "008.png").read_bytes()[:-500])
    assert check_source(folder, FolderEncoding()) == 24
    measured = measure(folder)
    assert (measured.frames, measured.broke_off) == (12, "000.png and 1 more cannot be read as an image")
    assert measure(folder, max_frames=5).frames == check_source(folder, FolderEncoding(), 5) / 2 == 4


def test_single_pictures_are_noticed(tmp_path):
    y, x = np.mgrid[:64, :96] / 64
    for i, turn in enumerate([0, 2, 1, 3, 0]):
        slope = np.rot90(y + x, 2) if turn > 1 else y + x
        wave = 127 + 100 * np.sin((2 + turn) * slope)
        Image.fromarray(wave.astype(np.uint8)).save(tmp_path / f"{i}.png")
    assert measure(tmp_path).unlike


def test_nothing_to_choose(make_clip):
    still = measure(make_clip("mpeg4"), max_frames=1)
    assert (still.keys, len(still.scores)) == (1, 0)
    assert not still.unlike
    with pytest.raises(SourceError, match="no frame could be warped"):
        Curve([still])
    assert len(Curve([still, clip([1, 2])]).scores) == 2


def test_bad_folders(folder, tmp_path):
    (tmp_path / "one").mkdir()
    (folder / "000.png").rename(tmp_path / "one" / "0.png")
    with pytest.raises(SourceError, match="one: one image is no clip"):
        check_source(tmp_path / "one", FolderEncoding())
    with pytest.raises(SettingError, match="frames: codec vp6: unknown"):
        check_source(folder, FolderEncoding("vp6"))
    with pytest.raises(SettingError, match="frames: quality 99"):
        check_source(folder, FolderEncoding(quality=99))
    Image.new("RGB", (64, 64)).save(folder / "009.png")
    with pytest.raises(SourceError, match=r"009\.png: 64x64 pixels .*001\.png has 144x192"):
        check_source(folder, FolderEncoding())
    for file in folder.iterdir():
        file.write_text("hello")
    with pytest.raises(SourceError, match="none of its images can be read"):
        check_source(folder, FolderEncoding())
    with pytest.raises(SourceError, match=r"none\.mp4: no such file"):
        check_source(tmp_path / "none.mp4", FolderEncoding())


def test_real_clips(shared):
    measured = measure(shared / "clips/driving_h264_960x540.mp4", max_frames=40)
    assert len(measured.scores) == 36
    assert 0.3 < Curve([measured]).threshold(0.1) < 3
    stills = measure(shared / "camvid/train", max_frames=150)
    assert stills.unlike
    assert not measure(shared / "camvid/sequence", max_frames=14).unlike


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_picture(tmp_path, suffix):
    pytest.importorskip("matplotlib")
    path = tmp_path / f"curve{suffix}"
    check_picture(path)
    draw_share_curve(path, Curve([clip(np.linspace(0, 12, 50))]), 10.5, "50 frames")
    assert path.read_bytes().startswith(b"\x89PNG" if suffix == ".png" else b"<?xml")
    with pytest.raises(OutputError, match="cannot be written"):
        draw_share_curve(tmp_path / f"none/curve{suffix}", Curve([clip([1, 2])]), 1.5, "2 frames")


def test_picture_refused(tmp_path, monkeypatch):
    with pytest.raises(SettingError, match=r"curve\.gif: a picture must end in \.png or \.svg"):
        check_picture(tmp_path / "curve.gif")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'taplab\[eval\]'"):
        check_picture(tmp_path / "curve.png")
