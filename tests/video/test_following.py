"""Motion worked out on threads is that of the reading thread, and so is what goes wrong."""

import threading

import numpy as np
import pytest

import taplab.video.following as following
from taplab.video.reader import Video


def told(frame):
    motion = frame.motion
    fields = [(f.reference, f.vectors, f.weight) for f in motion.fields] if motion is not None else []
    residual = None if frame.residual is None else frame.residual.score
    return (frame.index, frame.display, frame.scene, frame.damaged, residual), fields


@pytest.mark.parametrize("refine", ["never", "always"])
@pytest.mark.parametrize("options", [{}, {"bf": "2", "refs": "3"}])
def test_frames_are_those_of_one_thread(make_clip, options, refine):
    clip = make_clip("h264", options=options)
    one, three = ([told(f) for f in Video(clip, refine=refine, threads=n).frames()] for n in (1, 3))
    assert len(one) == len(three) == 30
    for (about, fields), (also, others) in zip(one, three, strict=True):
        assert about == also
        for field, other in zip(fields, others, strict=True):
            assert field[0] == other[0]
            assert np.array_equal(field[1], other[1])
            assert np.array_equal(field[2], other[2])


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("most", [1, 7, 29])
def test_no_frame_is_left_waiting(make_clip, most, threads):
    frames = list(Video(make_clip("h264", options={"bf": "2"}), max_frames=most, threads=threads).frames())
    assert sorted(f.display for f in frames if not f.beyond) == list(range(most))


@pytest.mark.parametrize("threads", [1, 3])
def test_what_goes_wrong_is_raised_where_the_frame_is_asked_for(make_clip, monkeypatch, threads):
    def breaks(records, luma, display, references, *, several):
        if display == 5:
            raise MemoryError("too little")
        return coded_motion(records, luma, display, references, several=several)

    coded_motion = following.coded_motion
    monkeypatch.setattr(following, "coded_motion", breaks)
    frames = Video(make_clip("mpeg4"), threads=threads).frames()
    assert [next(frames).index for _ in range(5)] == list(range(5))
    with pytest.raises(MemoryError, match="too little"):
        next(frames)


def test_threads_end_when_the_frames_are_left_early(make_clip):
    frames = Video(make_clip("mpeg4"), threads=3).frames()
    assert next(frames).index == 0
    frames.close()
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("taplab-motion")]
