import itertools

import numpy as np
import pytest
import torch
from PIL import Image

from taplab import PaperSettings, Segmenter, TorchModel
from taplab.data.synthetic import SyntheticDrive
from taplab.video.cuts import is_new_scene
from taplab.video.encode import encode_clip
from taplab.video.images import ImageFolder
from taplab.video.reader import Video

CUT, FRAMES = 17, 30
WAYS = {
    "mpeg4": ("mpeg4", ".mp4", {}),
    "mpeg2 with B-frames": ("mpeg2video", ".ts", {"bf": "2"}),
    "h264": ("h264", ".mp4", {}),
    "h264, an I-frame at the cut": ("h264", ".ts", {"sc_threshold": "40"}),
    "h264 with a B-pyramid": ("h264", ".mkv", {"bf": "3", "b-pyramid": "normal", "refs": "4"}),
    "hevc": ("hevc", ".mp4", {}),
    "mpeg4 with B-frames": ("mpeg4", ".mkv", {"bf": "2"}),
    "h264, I-frames only": ("h264", ".mp4", {"g": "1"}),
}


class Marked(torch.nn.Module):
    """One class for the whole picture: is its top left corner white?"""

    def forward(self, x):
        white = (x[:, :, 2:14, 2:14].mean((1, 2, 3)) > 1).float()
        scores = torch.stack([1 - white, white], 1)[:, :, None, None]
        return scores.expand(-1, -1, x.shape[2] // 8, x.shape[3] // 8) * 4


MODEL = TorchModel(Marked(), classes=("first", "second"), name="marked")


def scenes():
    """Two drives, one after the other; a white corner tells the second from the first."""
    for seed, count in ((5, CUT), (150, FRAMES - CUT)):
        for rgb, _ in SyntheticDrive(144, 192, count, seed=seed):
            rgb = rgb.copy()
            rgb[:16, :16] = 255 if seed == 150 else 0
            yield rgb


@pytest.fixture(scope="module")
def cut_clip(tmp_path_factory):
    folder, frames, made = tmp_path_factory.mktemp("cuts"), list(scenes()), {}

    def make(way):
        codec, suffix, options = WAYS[way]
        if way not in made:
            made[way] = encode_clip(folder / f"{len(made)}{suffix}", frames, codec=codec, gop=FRAMES, options=options)
        return made[way]

    return make


@pytest.mark.parametrize("way", WAYS)
def test_a_scene_begins_at_the_cut_and_nothing_points_across(cut_clip, way):
    frames = {f.index: f for f in Video(cut_clip(way)).frames()}
    first = {f.scene for f in frames.values() if f.display < CUT}
    second = {f.scene for f in frames.values() if f.display >= CUT}
    assert len(first) == len(second) == 1
    assert first != second
    for frame in frames.values():
        for field in frame.motion.fields if frame.motion else ():
            assert frames[field.reference].scene == frame.scene


@pytest.mark.parametrize("asked", [{}, {"budget": 0.05}, {"quality": 3.0}])
@pytest.mark.parametrize("mode", ["offline", "live"])
@pytest.mark.parametrize("way", WAYS)
def test_no_label_crosses_the_cut(cut_clip, way, mode, asked):
    check(Segmenter(MODEL, mode=mode, **asked).stream(cut_clip(way)))


@pytest.mark.parametrize("mode", ["paper", "itp"])
@pytest.mark.parametrize("way", WAYS)
def test_no_label_crosses_the_cut_without_rgfs(cut_clip, way, mode):
    settings = PaperSettings(("ffw",), interval=FRAMES)
    check(Segmenter(MODEL, mode=mode, settings=settings).stream(cut_clip(way)))


def check(segmentation):
    results = list(segmentation)
    assert [r.index for r in results] == list(range(FRAMES))
    for result in results:
        assert np.mean(result.labels == (result.index >= CUT)) == 1, result.index
    assert segmentation.summary().key_frames < FRAMES / 2


@pytest.mark.parametrize(
    ("codec", "options"),
    [("mpeg4", {}), ("h264", {}), ("h264", {"bf": "3", "b-pyramid": "normal", "refs": "4"}), ("hevc", {})],
)
def test_an_unbroken_drive_is_one_scene(make_clip, codec, options):
    assert len({f.scene for f in Video(make_clip(codec, options=options)).frames()}) == 1


@pytest.mark.parametrize("seed", [103, 113, 120])
def test_a_fast_drive_with_b_frames_is_one_scene(tmp_path, seed):
    """Where half the blocks of a P-frame are intra, four frames after the one it refers to."""
    frames = [rgb for rgb, _ in SyntheticDrive(240, 320, 34, seed=seed, speed="fast")]
    clip = encode_clip(tmp_path / "fast.mp4", frames, codec="h264", gop=60, options={"bf": "3"})
    found = list(Video(clip).frames())
    assert max(1 - f.motion.coded.mean() for f in found if f.kind == "P") > 0.4
    assert len({f.scene for f in found}) == 1


def test_fast_drives_are_no_cuts_and_other_drives_are():
    """Estimated motion, frames up to two apart."""
    first, other = (
        [np.ascontiguousarray(rgb.mean(2).astype(np.uint8)) for rgb, _ in SyntheticDrive(144, 192, 5, s, speed="fast")]
        for s in (301, 302)
    )
    assert not any(is_new_scene(drive[i + 2], drive[i]) for drive in (first, other) for i in range(3))
    assert all(is_new_scene(a, b) for a, b in zip(first, other, strict=True))


def test_pictures_of_a_folder_are_scenes_too(tmp_path):
    for i, rgb in enumerate(scenes()):
        Image.fromarray(rgb).save(tmp_path / f"{i:02d}.png")
    found = [f.scene for f in ImageFolder(tmp_path).frames()]
    assert found == [1] * CUT + [2] * (FRAMES - CUT)
    check(Segmenter(MODEL, mode="live", budget=0.05).stream(tmp_path))


def test_the_cuts_of_a_real_clip(shared):
    """Where the mean luma difference of neighbours jumps, and nowhere else."""
    frames = sorted(Video(shared / "clips" / "scene_cuts.mp4").frames(), key=lambda f: f.display)
    lumas = [f.rgb().mean(2)[::4, ::4] for f in frames]
    steps = np.array([np.abs(b - a).mean() for a, b in itertools.pairwise(lumas)])
    jumps = [k + 1 for k in range(len(steps)) if steps[k] > 25]
    found = [k for k in range(1, len(frames)) if frames[k].scene != frames[k - 1].scene]
    assert len(jumps) > 3
    assert found == jumps
