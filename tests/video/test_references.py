import itertools

import numpy as np
import pytest

import taplab.video.assembly as assembly
from taplab.data.synthetic import SyntheticDrive
from taplab.types import Motion, MotionField
from taplab.video.encode import encode_clip
from taplab.video.reader import Video
from taplab.video.references import Reference, block_sums, with_further_references, within_one_scene
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


def reference(index, luma):
    return Reference(luma, index, index)


def test_each_block_takes_the_reference_that_explains_it():
    """Three on one side, two on the other, and a column of macroblocks that comes from both."""
    rng = np.random.default_rng(0)
    luma, other = rng.integers(0, 256, (2, 32, 96), dtype=np.uint8)
    lumas = [other.copy() for _ in range(5)]
    for k, plane in enumerate(lumas):  # explains column k of macroblocks
        plane[:, 16 * k : 16 * k + 16] = luma[:, 16 * k : 16 * k + 16]
    before = [reference(7, lumas[0]), reference(6, lumas[1]), reference(5, lumas[2])]
    after = [reference(9, lumas[3]), reference(11, lumas[4])]
    past = np.repeat(np.float32([[1, 1, 1, 0, 0, 0.5]] * 4), 2, 1)
    none = np.zeros((4, 12, 2), np.float32)
    motion = Motion((MotionField(7, none, past), MotionField(9, none, 1 - past)), np.ones((4, 12), bool))
    found = with_further_references(motion, luma, before, after)
    assert [f.reference for f in found.fields] == [7, 6, 5, 9, 11]
    for k, field in enumerate(found.fields):
        both = 0.5 if field.reference in (7, 9) else 0
        assert field.weight[:, ::2].tolist() == [[float(j == k) for j in range(5)] + [both]] * 4
    residual = measure_residual(luma, tuple(lumas), found, 30)
    assert not residual.sums[:, :5].any()
    assert residual.sums.sum() == np.abs(luma[:, 80:].astype(int) - other[:, 80:]).sum()


def test_one_reference_is_left_alone():
    luma = np.zeros((16, 16), np.uint8)
    motion = Motion((still(3),), np.ones((2, 2), bool))
    found = with_further_references(motion, luma, [reference(3, luma), reference(2, luma)], [])
    assert found.fields == motion.fields


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
        kind = "B" if any(r.display > display for r in references) else "P"
        lumas, shown = {r.index: r.luma for r in references}, {r.index: r.display for r in references}
        for field in motion.fields if motion else ():
            hot = (field.weight == 1) & motion.coded
            side = [r for r in references if (r.display < display) == (shown[field.reference] < display)]
            vectors = quarter_pels(field.vectors)
            least = np.min([block_sums(luma, r.luma, vectors, hot) for r in side], axis=0)
            closest = min(side, key=lambda r: abs(r.display - display)).luma
            for luma_of, into in ((lumas[field.reference], right), (closest, nearest)):
                sums = block_sums(luma, luma_of, vectors, hot)
                into[kind].append((sums <= 1.05 * least + 64)[hot])
        return motion

    coded_motion = assembly.coded_motion
    monkeypatch.setattr(assembly, "coded_motion", watched)
    frames = [rgb for rgb, _ in SyntheticDrive(288, 384, 24, seed=101)]
    clip = encode_clip(tmp_path / "clip.mp4", frames, codec="h264", gop=24, options=options)
    assert len(list(Video(clip).frames())) == 24
    p, assumed = np.concatenate(right["P"]).mean(), np.concatenate(nearest["P"]).mean()
    assert p > 0.96
    assert p > assumed + 0.04
    if "bf" in options:
        b, assumed = np.concatenate(right["B"]).mean(), np.concatenate(nearest["B"]).mean()
        assert b > 0.97
        assert b > assumed
