"""A file in shares: together they are what one decoder makes of it, whatever was done to the stream."""

from itertools import pairwise

import numpy as np
import pytest

from taplab.video.reader import Video
from taplab.video.reading import Reading
from taplab.video.share import Gaps, Share

B = {"options": {"bf": "2"}}
PYRAMID = {"options": {"bf": "3", "b-pyramid": "normal", "refs": "4"}}
CUT = [
    ("mpeg4", ".mp4", {}),
    ("mpeg4", ".mp4", B),
    ("mpeg4", ".avi", B),
    ("mpeg2video", ".mkv", B),
    ("mpeg1video", ".mpg", B),
    ("flv1", ".flv", {}),
    ("h264", ".mp4", {}),
    ("h264", ".264", PYRAMID),
    ("h264", ".mp4", PYRAMID),
]
WHOLE = [
    ("h264", ".mp4", {"options": {"bf": "3", "x264-params": "open-gop=1"}}),
    ("h264", ".mkv", {"options": {"intra-refresh": "1"}}),
    ("mpeg2video", ".mkv", {"options": {"flags": "+ildct+ilme"}}),
]
CLIPS = [
    "BA_MW_D_P_LOST.264",
    "Error_I_P.264",
    "corrupted_h264.mp4",
    "driving_h264_960x540.mp4",
    "mvx_h264_bframes_720p.mp4",
    "mvx_mpeg4_720p.mp4",
    "people_h264_bframes_768x432.mp4",
    "rotated90_h264.mov",
    "scene_cuts.mp4",
]


def look(frame):
    planes = tuple(hash(bytes(plane)) for plane in frame.picture.planes)
    return frame.index, frame.display, frame.pts, frame.kind, frame.damaged, frame.turns, planes


def shares(path, of, length, *, borrows=False, max_frames=None):
    """The frames of each share in coded order, and the videos that they came from."""
    videos = [Video(path, Reading(max_frames=max_frames), share=Share(k, of, length, borrows)) for k in range(of)]
    return [list(video.frames()) for video in videos], videos


def check_together(path, of, length, max_frames=None):
    """Frames taken in turn from the shares are those of the whole; so is the account. How many shares had a turn?"""
    whole = Video(path, Reading(max_frames=max_frames))
    expected = {frame.display: frame for frame in whole.frames() if not frame.beyond}
    parts, videos = shares(path, of, length, borrows=True, max_frames=max_frames)
    own = [{frame.display: frame for frame in part if not frame.beyond} for part in parts]
    due, turn, turns = 0, 0, {0}
    while due in own[turn]:
        turns.add(turn)
        one, other = own[turn][due], expected[due]
        assert look(one) == look(other)
        if whole.several_references():  # among those before the key frame, too, where they are at hand
            assert (one.motion is None) == (other.motion is None) or one.kind == "I"
        elif one.motion is not None and other.motion is not None:
            for a, b in zip(one.motion.fields, other.motion.fields, strict=True):
                assert a.reference == b.reference
                np.testing.assert_array_equal(a.vectors, b.vectors)
        elif one.motion is not other.motion:  # nothing is known of what was before
            assert one.kind == "I"
        due += 1
        turn = (turn + 1) % of if due in videos[turn].skipped else turn
    assert due == len(expected)
    assert (videos[turn].lost, videos[turn].broke_off) == (whole.lost, whole.broke_off)
    return len(turns)


@pytest.mark.parametrize(("codec", "suffix", "how"), CUT)
@pytest.mark.parametrize("of", [2, 3])
def test_shares_of_a_stream_that_can_be_cut(make_clip, codec, suffix, how, of):
    clip = make_clip(codec, suffix, **how)
    assert check_together(clip, of, 8) == of
    assert [video.lost for video in shares(clip, of, 8)[1]] == [0] * of


@pytest.mark.parametrize(("codec", "suffix", "how"), WHOLE)
def test_what_cannot_be_cut_is_in_one_share(make_clip, codec, suffix, how):
    clip = make_clip(codec, suffix, **how)
    assert check_together(clip, 2, 12) == 1
    told_by_packets = codec == "h264"  # interlaced pictures are seen only once they are decoded, by both
    assert [video.left_to_others for video in shares(clip, 2, 12)[1]] == [False, told_by_packets]


@pytest.mark.parametrize("name", CLIPS)
def test_real_clips(shared, name):
    check_together(shared / "clips" / name, 2, 24, max_frames=150)


@pytest.mark.parametrize("max_frames", [5, 12, 13, 24, 29])
def test_the_first_so_many_frames(make_clip, max_frames):
    check_together(make_clip("h264", ".mp4", **PYRAMID), 2, 12, max_frames)


def test_a_file_that_ends_early(make_clip, tmp_path):
    """The last share tells, as the whole does."""
    whole = make_clip("mpeg4", ".avi", options={"bf": "0"}).read_bytes()
    cut = tmp_path / "cut.avi"
    cut.write_bytes(whole[: len(whole) * 9 // 10])
    check_together(cut, 2, 12)


def test_damage_in_one_share_leaves_the_rest_to_it(make_clip, tmp_path):
    """Who meets it goes on alone, for what it does to later frames depends on all that was decoded."""
    data = bytearray(make_clip("h264", ".264").read_bytes())
    at = len(data) // 2
    data[at : at + 200] = bytes(200)
    broken = tmp_path / "broken.264"
    broken.write_bytes(data)
    check_together(broken, 2, 8)
    check_together(broken, 3, 8)


@pytest.mark.parametrize("borrows", [False, True])
def test_the_key_frame_behind_a_group_is_borrowed(make_clip, borrows):
    parts, _ = shares(make_clip("h264", ".mp4"), 2, 12, borrows=borrows)
    borrowed = [[frame.display for frame in part if frame.elsewhere] for part in parts]
    assert borrowed == ([[12], [24]] if borrows else [[], []])
    assert all(frame.beyond for part in parts for frame in part if frame.elsewhere)


def test_b_frames_before_a_key_frame_need_it(make_clip):
    """MPEG-2 with open GOPs: they are of the group before, which borrows the key frame for them."""
    parts, _ = shares(make_clip("mpeg2video", ".mkv", **B), 2, 12)
    borrowed = [frame for part in parts for frame in part if frame.elsewhere]
    assert borrowed
    for frame in borrowed:
        part = next(part for part in parts if frame in part)
        assert [f.kind for f in part if f.index in (frame.index + 1, frame.index + 2)] == ["B", "B"]


def test_groups_begin_where_a_whole_piece_ends(make_clip):
    """GOPs of 12 frames, groups of at least 13: two GOPs each."""
    parts, _ = shares(make_clip("mpeg4", ".mp4"), 2, 13)
    assert [[f.display for f in part] for part in parts] == [list(range(24)), list(range(24, 30))]


def test_gaps_are_asked_for_in_rising_order():
    gaps = Gaps()
    gaps.begin(3)
    gaps.begin(4)  # is in it
    assert [n in gaps for n in (0, 2, 3, 1000)] == [False, False, True, True]
    assert gaps.end(6)
    assert not gaps.end(7)
    gaps.begin(8)
    assert [n in gaps for n in (5, 6, 7, 8, 9)] == [True, False, False, True, True]
    assert "5" not in gaps


def test_the_end_of_a_group_is_known_before_its_last_frame(make_clip):
    """Or who waits for the end, to let the next process go on, might look too early."""
    video = Video(make_clip("h264", ".mp4"), share=Share(0, 2, 12, borrows=False))
    ends = {frame.display: frame.display + 1 in video.skipped for frame in video.frames()}
    assert [display for display, ended in ends.items() if ended] == [11]


def test_in_shares_each_number_comes_once(make_clip):
    parts, videos = shares(make_clip("mpeg4", ".mp4"), 3, 8)
    numbers = sorted(frame.display for part in parts for frame in part)
    assert numbers == list(range(30))
    assert all(b - a == 1 for a, b in pairwise(numbers))
    assert all(video.lost == 0 and video.broke_off is None for video in videos)
