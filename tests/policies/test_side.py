"""Ways to a key frame: along the motion, corrected at each step, worked out at the first look."""

import gc
import threading
import weakref
from fractions import Fraction

import av
import numpy as np
import pytest
import torch

from taplab.modules import ffw
from taplab.policies import side as module
from taplab.policies.keyed import Key
from taplab.policies.side import Side, along
from taplab.scoremap import cells, matching
from taplab.scoremap.mismatch import grid
from taplab.types import IGNORE, CodedFrame, Motion, MotionField

SIZE, CELLS = (96, 128), (24, 32)
BLOCKS = (SIZE[0] // 8, SIZE[1] // 8)


def picture(seed, shift=0):
    """Smooth noise, moved to the right by so many pixels."""
    noise = np.random.default_rng(seed).uniform(0, 255, (SIZE[0] // 8, SIZE[1] // 8))
    luma = np.roll(np.kron(noise, np.ones((8, 8))), shift, 1).astype(np.uint8)
    return av.VideoFrame.from_ndarray(np.stack([luma] * 3, -1), "rgb24").reformat(format="yuv420p")


def moved(dx, reference, weight=1.0):
    """Everything comes from so many pixels to the right in the reference."""
    vectors = np.zeros((*BLOCKS, 2), np.float32)
    vectors[..., 0] = dx
    return MotionField(reference, vectors, np.full(BLOCKS, weight, np.float32))


def frame(index, pixels, *fields):
    motion = Motion(tuple(fields), np.ones(BLOCKS, np.bool_), "codec") if fields else None
    return CodedFrame(
        index=index, display=index, pts=index, time_base=Fraction(1, 25), kind="P" if fields else "I",
        width=SIZE[1], height=SIZE[0], damaged=False, motion=motion, picture=pixels, convert=lambda picture: None,
    )  # fmt: skip


@pytest.fixture
def key():
    """Two classes, side by side."""
    scores = torch.zeros(2, *CELLS)
    scores[0, :, :16], scores[1, :, 16:] = 5, 5
    return Key(frame(0, picture(0)), scores)


def chain(key, count, error=0.0):
    """Ways of frames that move by 4 pixels each; the stream says so, with an error."""
    sides = [Side(key.frame, key)]
    for k in range(1, count + 1):
        sides.append(sides[-1].before(frame(k, picture(0, 4 * k)), moved(-4 + error, k - 1)))
    return sides


def defined(key, frames):
    """Step by step."""
    before = None
    for one, field in frames:
        way = ffw.compose(field.vectors, before, CELLS, SIZE)
        now = cells.cell_picture(one.picture, CELLS)
        doubtful = cells.settled(now, [(key.calm, key.picture, way)], module.DOUBT) == IGNORE
        before = matching.refine(now, key.picture, way, doubtful)
    return before


def test_a_way_is_corrected_at_every_step(key):
    sides = chain(key, 5, error=1.5)
    frames = [(frame(k, picture(0, 4 * k)), moved(-2.5, k - 1)) for k in range(1, 6)]
    np.testing.assert_array_equal(sides[-1].displacement, defined(key, frames))


def test_drift_is_mended_while_it_is_small(key):
    """1.5 pixels too few a step: 7.5 in the end, almost two cells, along the border of the classes."""
    found = chain(key, 5, error=1.5)[-1].displacement[:, 20:24, 0]  # the border is at 16, moved by five cells
    assert np.abs(found + 5).mean() < 0.7


def test_the_coarse_way_is_the_stream_s_own(key):
    rows, columns = grid(SIZE)
    for k, side in enumerate(chain(key, 5, error=1.5)[1:], 1):
        np.testing.assert_allclose(
            side.coarse, np.full((rows, columns, 2), (-2.5 * k * columns / SIZE[1], 0)), rtol=1e-5
        )


def test_nothing_is_worked_out_before_the_first_look(key, monkeypatch):
    calls = []
    monkeypatch.setattr(module, "_corrected", lambda frame, key, way: calls.append(frame.index) or way)
    sides = chain(key, 4)
    assert calls == []
    assert sides[0].displacement is None
    assert not sides[0].way.any()
    _ = sides[3].displacement
    assert calls == [1, 2, 3]
    _ = sides[4].way
    assert calls == [1, 2, 3, 4]


def test_a_way_of_thousands_of_frames(key, monkeypatch):
    monkeypatch.setattr(module, "_corrected", composed_only)
    side, still = Side(key.frame, key), key.frame.picture
    for k in range(1, 3001):
        side = side.before(frame(k, still), moved(0, k - 1))
    assert not side.displacement.any()


def test_frames_and_ways_before_are_let_go(key):
    sides = chain(key, 3)
    before, last = weakref.ref(sides[2]), sides[3]
    _ = last.displacement
    del sides
    gc.collect()
    assert before() is None


def composed_only(frame, key, steps):
    return module._composed(frame, key.cells, steps)


def test_many_threads_work_each_step_out_once(key, monkeypatch):
    calls, lock, real = [], threading.Lock(), module._corrected

    def counted(frame, key, steps):
        with lock:
            calls.append(frame.index)
        return real(frame, key, steps)

    monkeypatch.setattr(module, "_corrected", counted)
    sides = chain(key, 8, error=1.0)
    threads = [threading.Thread(target=lambda one=one: one.displacement) for one in sides[:0:-1] * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(calls) == list(range(1, 9))
    alone = chain(key, 8, error=1.0)
    for side, other in zip(sides[1:], alone[1:], strict=True):
        np.testing.assert_array_equal(side.displacement, other.displacement)


def test_blocks_from_two_references_that_lead_to_one_key_frame(key, monkeypatch):
    monkeypatch.setattr(module, "_corrected", composed_only)
    start = Side(key.frame, key)
    first = start.before(frame(1, picture(0)), moved(-4, 0))
    weight = np.zeros(BLOCKS, np.float32)
    weight[:, :8] = 1
    here, there = moved(-8, 0), moved(-12, 1)
    fields = [MotionField(0, here.vectors, weight), MotionField(1, there.vectors, 1 - weight)]
    way = along(frame(2, picture(0), *fields), {0: start, 1: first}, before=True)
    np.testing.assert_array_equal(way.displacement[:, :16], np.full((24, 16, 2), (-2, 0)))
    np.testing.assert_array_equal(way.displacement[:, 16:], np.full((24, 16, 2), (-4, 0)))
    assert along(frame(2, picture(0), *fields), {0: start, 1: first}, before=False) is None
    assert along(frame(2, picture(0)), {0: start}, before=True) is None


def test_each_block_goes_by_the_reference_that_most_of_it_comes_from(key, monkeypatch):
    """Of three that lead to one key frame; one after another they had moved by 4 pixels each."""
    monkeypatch.setattr(module, "_corrected", composed_only)
    sides = [Side(key.frame, key)]
    for k in (1, 2):
        sides.append(sides[-1].before(frame(k, picture(0)), moved(-4, k - 1)))
    weights = np.zeros((3, *BLOCKS), np.float32)
    weights[0, :, :4], weights[1, :, 4:8], weights[2, :, 8:] = 1, 1, 1
    weights[:, :, 12:] = np.float32([0.2, 0.4, 0.4])[:, None, None]  # the second: of equal shares the first
    vectors = np.zeros((*BLOCKS, 2), np.float32)  # one for all, as ``video.references`` leaves them
    vectors[:, :4, 0], vectors[:, 4:8, 0], vectors[:, 8:12, 0], vectors[:, 12:, 0] = -12, -8, -4, -8
    fields = [MotionField(k, vectors, weights[k]) for k in range(3)]
    found = along(frame(3, picture(0), *fields), dict(enumerate(sides)), before=True)
    np.testing.assert_array_equal(found.displacement, np.full((*CELLS, 2), (-3, 0)))
    np.testing.assert_allclose(found.coarse[..., 1], 0)
    np.testing.assert_allclose(found.coarse[..., 0], found.coarse[0, 0, 0])
