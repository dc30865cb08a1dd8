"""Synthetic drives as clips."""

import numpy as np

from taplab.data.camvid import CLASSES
from taplab.data.drives import DriveClip, drive_clips
from taplab.data.synthetic import SyntheticDrive


def test_drive_as_clip():
    drive = SyntheticDrive(64, 96, 3, seed=4)
    clip = DriveClip(drive)
    rgb, labels = drive[1]
    assert (len(clip), clip.size, clip.fps, clip.labelled) == (3, (64, 96), 15.0, (0, 1, 2))
    assert np.array_equal(clip.frame(1), rgb)
    assert np.array_equal(clip.truth(1), labels)


def test_drives_differ_in_name_and_identity():
    clips = drive_clips([1, 2], 64, 96, 3)
    assert clips.classes == CLASSES
    assert len({clip.name for clip in clips.clips}) == len({clip.identity for clip in clips.clips}) == 2
    assert DriveClip(SyntheticDrive(64, 96, 4, 1)).identity != clips.clips[0].identity
    assert DriveClip(SyntheticDrive(64, 96, 3, 1)).identity == clips.clips[0].identity
