"""Clips of image files."""

import os

import numpy as np
import pytest

from taplab.data.clips import FileClip, spread
from taplab.data.readers import plain_ids
from taplab.errors import SourceError


@pytest.fixture
def clip(tmp_path, write):
    frames = [write(tmp_path / f"{i}.png", (i, 0, 0)) for i in range(4)]
    return FileClip("clip", 15.0, frames, {2: write(tmp_path / "l" / "2.png", 1)}, plain_ids(2))


def test_file_clip(clip):
    assert len(clip) == 4
    assert clip.size == (6, 8)
    assert clip.labelled == (2,)
    assert np.all(clip.frame(3) == (3, 0, 0))
    assert (clip.truth(2) == 1).all()
    with pytest.raises(IndexError, match="frame 1 of clip has no labels"):
        clip.truth(1)


def test_nothing_is_decoded_before_it_is_asked_for(tmp_path):
    clip = FileClip("clip", 15.0, [tmp_path / "none.png"], {0: tmp_path / "none.png"}, plain_ids(2))
    assert len(clip) == len(clip.labelled) == 1


def test_sizes_are_watched_when_read(clip, write):
    write(clip.frames[1], size=(4, 4))
    with pytest.raises(SourceError, match=r"1\.png: 4x4 pixels .*0\.png has 6x8"):
        clip.frame(1)
    write(clip.labels[2], 1, size=(4, 4))
    with pytest.raises(SourceError, match=r"2\.png: 4x4 pixels"):
        clip.truth(2)


def test_identity_changes_with_the_content_alone(clip):
    def identity():
        return FileClip(clip.name, clip.fps, clip.frames, clip.labels, clip.read).identity

    before = identity()
    assert identity() == before
    os.utime(clip.labels[2], ns=(1, 1))
    after = identity()
    assert after != before
    assert FileClip(clip.name, 30.0, clip.frames, clip.labels, clip.read).identity != after
    assert FileClip(clip.name, clip.fps, clip.frames[1:], clip.labels, clip.read).identity != after


def test_spread():
    assert spread("abcdef", None) == "abcdef"
    assert spread("abcdef", 7) == "abcdef"
    assert list(spread("abcdef", 3)) == ["a", "c", "e"]
    assert list(spread("abcdefg", 2)) == ["a", "d"]


def test_every_nth_frame_moves_n_times_as_far(clip):
    thinned = clip.every(2)
    assert (len(thinned), thinned.fps, thinned.labelled) == (2, 7.5, (1,))
    assert np.all(thinned.frame(1) == (2, 0, 0))
    assert (thinned.truth(1) == 1).all()
    assert clip.every(3).labelled == ()
