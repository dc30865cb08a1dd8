"""When live runs the network if nothing is asked for."""

import pytest

from taplab import PaperSettings, open_video
from taplab.lanes import mark_keys
from taplab.policies.schedule import Regular

WAY = [object()]  # there is one to a key frame; nobody looks at it


def seen(clip, interval):
    """Display positions of key frames, of regions, and of frames that others refer to."""
    schedule = Regular(PaperSettings(("ffw", "rgc"), interval=interval))
    keys, regions, references = [], [], set()
    for frame in mark_keys(open_video(clip).frames(), interval):
        if frame.is_reference:
            references.add(frame.display)
        if schedule.key(frame, WAY if keys else []):
            keys.append(frame.display)
        elif schedule.region(frame, 0.25):
            regions.append(frame.display)
    return keys, regions, references


@pytest.mark.parametrize(
    ("interval", "regions"), [(12, [3, 6, 9, 15, 18, 21, 27]), (4, [2, 6, 10, 14, 18, 22, 26]), (1, [])]
)
def test_regions_come_a_quarter_of_the_interval_apart(make_clip, interval, regions):
    keys, found, _ = seen(make_clip("mpeg4", gop=30), interval)
    assert keys == list(range(0, 30, interval))
    assert found == regions


def test_regions_of_frames_that_no_other_refers_to_are_of_no_use(make_clip):
    _, regions, references = seen(make_clip("h264", gop=30, options={"bf": "3", "b_strategy": "0"}), 12)
    assert regions
    assert {*regions} <= references
    assert len(references) < 20
