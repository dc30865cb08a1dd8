"""What is damaged, and what is not: nothing is warped across what was lost."""

import av
import pytest

from taplab.video.reader import Video


def plain_count(path):
    """Frames that the decoder yields, whatever happens on the way."""
    count = 0
    with av.open(str(path)) as container:
        for packet in container.demux(video=0):
            try:
                count += len(packet.decode())
            except av.error.FFmpegError:
                continue
    return count


@pytest.mark.parametrize("codec", ["mpeg4", "h264"])
def test_a_start_in_mid_gop_is_damaged_until_the_next_key_frame(make_clip, tmp_path, codec, remuxed):
    clip = remuxed(make_clip(codec), tmp_path / "mid.mkv", lambda i: i >= 5)
    frames = list(Video(clip).frames())
    assert len(frames) == plain_count(clip)
    key = next(k for k, f in enumerate(frames) if f.kind == "I")
    assert all(f.damaged and f.motion is None for f in frames[:key])
    assert not any(f.damaged for f in frames[key:])


def test_nothing_is_warped_across_a_missing_frame(make_clip, tmp_path):
    """The decoder refuses a packet of rubbish; what refers to its picture is doubtful until the next I-frame."""
    source = make_clip("mpeg4", ".avi")
    data = bytearray(source.read_bytes())
    with av.open(str(source)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        victim = packets[4]
    data[victim.pos : victim.pos + victim.size] = bytes(victim.size)
    clip = tmp_path / "holed.avi"
    clip.write_bytes(data)
    frames = list(Video(clip).frames())
    assert len(frames) == plain_count(clip) < 30
    assert [f.index for f in frames if f.damaged] == list(range(5, 12))
    assert all(f.motion is None for f in frames if f.damaged)


@pytest.mark.parametrize("suffix", [".ts", ".mkv"])
def test_a_lost_h264_packet_is_seen_though_ffmpeg_conceals_it(make_clip, tmp_path, suffix, remuxed):
    clip = remuxed(make_clip("h264"), tmp_path / f"lossy{suffix}", lambda i: i != 5)
    frames = list(Video(clip).frames())
    assert len(frames) == 29
    damaged = [f.index for f in frames if f.damaged]
    assert damaged == list(range(5, 11))  # up to the next key frame, which was the 13th and is now the 12th


def test_frames_that_an_edit_list_hides_are_no_damage(make_clip, tmp_path):
    """Trimmed without re-encoding: decoding begins at a key frame that is not shown."""
    clip = tmp_path / "trimmed.mp4"
    with av.open(str(make_clip("h264"))) as a, av.open(str(clip), "w", options={"avoid_negative_ts": "disabled"}) as b:
        stream = b.add_stream_from_template(a.streams.video[0])
        step = int(1 / 15 / a.streams.video[0].time_base)
        for packet in a.demux(a.streams.video[0]):
            if packet.dts is not None:
                packet.pts, packet.dts, packet.stream = packet.pts - 5 * step, packet.dts - 5 * step, stream
                b.mux(packet)
    frames = list(Video(clip).frames())
    assert len(frames) == plain_count(clip) == 25
    assert not any(f.damaged for f in frames)
    assert frames[0].motion is None  # what it was predicted from is not in hand


def test_dropped_b_frames_at_an_open_start_damage_nothing(make_clip, tmp_path, remuxed):
    clip = remuxed(make_clip("mpeg2video", ".ts", options={"bf": "2"}), tmp_path / "open.ts", lambda i: i >= 8)
    frames = list(Video(clip).frames())
    assert len(frames) == plain_count(clip)
    key = next(k for k, f in enumerate(frames) if f.kind == "I")
    assert not any(f.damaged for f in frames[key:] if f.display >= frames[key].display)


def test_a_stream_with_lost_frames_is_marked(shared):
    """A conformance stream from which P-frames were taken out."""
    assert sum(f.damaged for f in Video(shared / "clips" / "BA_MW_D_P_LOST.264").frames()) == 28


def test_the_corrupted_clip_is_marked(shared):
    video = Video(shared / "clips" / "corrupted_h264.mp4")
    frames = list(video.frames())
    # On one core FFmpeg decodes the slices one after another and marks one frame more as corrupt.
    assert sum(f.damaged for f in frames) in (19, 20)
    assert video.lost == 1
