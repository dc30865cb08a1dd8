import itertools

import numpy as np
import pytest

import taplab.video.assembly as assembly
from taplab.data.synthetic import SyntheticDrive
from taplab.types import Motion, MotionField
from taplab.video.encode import encode_clip
from taplab.video.reader import Video
from taplab.video.references import Reference, block_sums, with_second_reference, within_one_scene
from taplab.video.residual import measure_residual, quarter_pels

ONE = np.ones((2, 2), np.float32)


def still(reference, weight=ONE):
    return MotionField(reference, np.zeros((2, 2, 2), np.float32), weight)


def test_block_sums_are_those_of_the_residual():
    rng = np.random.default_rng(1)
    luma, reference = rng.integers(0, 256, (2, 40, 56), dtype=np.uint8)
    vectors = (rng.integers(-40, 41, (5, 7, 2)) / 4).astype(np.float32)
    motion = Motion((MotionField(0, vectors, np.ones((5, 7), np.float32)),), np.ones((5, 7), bool))
    wanted = rng.random((5, 7)) < 0.7
    sums = block_sums(luma, reference, quarter_pels(vectors), wanted)
    assert not sums[~wanted].any()
    everywhere = block_sums(luma, reference, quarter_pels(vectors), np.ones((5, 7), bool))
    assert np.array_equal(sums[wanted], everywhere[wanted])
    assert everywhere.sum() == measure_residual(luma, (reference,), motion, 30).sums.sum()


def test_each_block_takes_the_reference_that_explains_it():
    rng = np.random.default_rng(0)
    luma, other = rng.integers(0, 256, (2, 32, 32), dtype=np.uint8)
    near, far = other.copy(), other.copy()
    near[:, :16], far[:, 16:] = luma[:, :16], luma[:, 16:]
    candidates = [Reference(7, 7, near, None, 0), Reference(6, 6, other, None, 0), Reference(5, 5, far, None, 0)]
    field = MotionField(7, np.zeros((4, 4, 2), np.float32), np.ones((4, 4), np.float32))
    motion = with_second_reference(Motion((field,), np.ones((4, 4), bool)), luma, candidates)
    assert [f.reference for f in motion.fields] == [7, 5]
    assert motion.fields[0].weight.tolist() == [[1, 1, 0, 0]] * 4
    assert motion.fields[1].weight.tolist() == [[0, 0, 1, 1]] * 4


def test_one_reference_is_left_alone():
    luma = np.zeros((16, 16), np.uint8)
    motion = Motion((still(3),), np.ones((2, 2), bool))
    assert (
        with_second_reference(motion, luma, [Reference(3, 3, luma, None, 0), Reference(2, 2, luma, None, 0)]) is motion
    )


def test_a_frame_keeps_to_the_scene_that_most_of_it_comes_from():
    share = np.float32([[1, 0.5], [0, 0]])
    motion = Motion((still(4, share), still(9, 1 - share)), np.ones((2, 2), bool))
    kept = within_one_scene(motion, {4: 0, 9: 1})
    assert [f.reference for f in kept.fields] == [9]
    assert kept.fields[0].weight.tolist() == [[1, 1], [1, 1]]
    assert kept.coded.tolist() == [[False, True], [True, True]]
    assert within_one_scene(motion, {4: 2, 9: 2}) is motion


def test_two_scenes_in_turn_are_each_followed_through_the_other(tmp_path):
    """Every frame is predicted from the last but one: there is no other like it."""
    drives = [[rgb for rgb, _ in SyntheticDrive(144, 192, 12, seed=seed)] for seed in (101, 150)]
    frames = list(itertools.chain.from_iterable(zip(*drives, strict=True)))
    how = {"refs": "4", "preset": "medium"}
    found = list(Video(encode_clip(tmp_path / "turns.mp4", frames, codec="h264", gop=24, options=how)).frames())
    assert all(frame.kind == "P" for frame in found[1:])
    assert all(frame.scene == found[frame.index % 2].scene for frame in found)
    for frame in found[4:]:
        most = max(frame.motion.fields, key=lambda f: f.weight.mean())
        assert (frame.index - most.reference) % 2 == 0
        assert all((frame.index - f.reference) % 2 == 0 for f in frame.motion.fields)
        assert frame.residual.score < 6


@pytest.mark.parametrize("options", [{"refs": "4"}, {"bf": "3", "b-pyramid": "normal", "refs": "4"}])
def test_most_blocks_have_the_reference_of_the_least_residual(tmp_path, monkeypatch, options):
    """Against trying all references in hand, on blocks that come from one."""
    right, nearest = {"P": [], "B": []}, {"P": [], "B": []}

    def watched(records, luma, display, references, *, several):
        motion = coded_motion(records, luma, display, references, several=several)
        lumas, shown = {r.index: r.luma for r in references}, {r.index: r.display for r in references}
        for field in motion.fields if motion else ():
            hot = (field.weight == 1) & motion.coded
            side = [r for r in references if (r.display < display) == (shown[field.reference] < display)]
            vectors = quarter_pels(field.vectors)
            least = np.min([block_sums(luma, r.luma, vectors, hot) for r in side], axis=0)
            closest = min(side, key=lambda r: abs(r.display - display)).luma
            for luma_of, into in ((lumas[field.reference], right), (closest, nearest)):
                sums = block_sums(luma, luma_of, vectors, hot)
                into["P" if several else "B"].append((sums <= 1.05 * least + 64)[hot])
        return motion

    coded_motion = assembly.coded_motion
    monkeypatch.setattr(assembly, "coded_motion", watched)
    frames = [rgb for rgb, _ in SyntheticDrive(288, 384, 24, seed=101)]
    clip = encode_clip(tmp_path / "clip.mp4", frames, codec="h264", gop=24, options=options)
    assert len(list(Video(clip).frames())) == 24
    p, assumed = np.concatenate(right["P"]).mean(), np.concatenate(nearest["P"]).mean()
    assert p > 0.9
    assert p > assumed + 0.04
    if "bf" in options:
        assert np.concatenate(right["B"]).mean() > 0.9
