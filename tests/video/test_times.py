"""When pictures are shown: as FFmpeg plays the source, and never before one that was shown already."""

from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest

from taplab import Segmenter
from taplab.timing import Stopwatch
from taplab.video.decoder import Decoder
from taplab.video.encode import encode_clip
from taplab.video.reader import Video

SHOWN = [*range(10), 13, 14, *range(20, 30), 31, 37]  # slots: the others are empty


def times_of(path):
    """Seconds, in display order."""
    frames = sorted(Video(path).frames(), key=lambda frame: frame.display)
    return [frame.pts * frame.time_base for frame in frames]


def steps(times, scale):
    """Between one and the next, in units of 1 / scale."""
    return [round(float(b - a) * scale, 1) for a, b in pairwise(times)]


def with_times(source, target, *, decoding, spoil=()):
    """A copy of ``source``. decoding: with its times of decoding as those of presentation. spoil: packets of zeros."""
    with av.open(str(source)) as a, av.open(str(target), "w") as b:
        stream = b.add_stream_from_template(a.streams.video[0])
        for i, packet in enumerate(p for p in a.demux(a.streams.video[0]) if p.size):
            copy = av.Packet(bytes(packet.size)) if i in spoil else packet
            copy.pts, copy.dts, copy.time_base = packet.pts, packet.dts, packet.time_base
            if decoding:
                copy.pts = copy.dts
            copy.stream = stream
            b.mux(copy)
    return target


def in_slots(path, encoder, drive, **options):
    """An AVI file with empty slots."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(encoder, rate=15, options={"sc_threshold": "0"} | options)
        stream.width, stream.height, stream.pix_fmt = 192, 144, "yuvj420p" if encoder == "mjpeg" else "yuv420p"
        for (rgb, _), time in zip(drive, SHOWN, strict=False):
            picture = av.VideoFrame.from_ndarray(rgb)
            picture.pts, picture.time_base = time, Fraction(1, 15)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    ("encoder", "options", "delay"),
    [
        ("mpeg4", {}, 0),
        ("mpeg4", {"bf": "2"}, 1),
        ("libx264", {"bf": "3"}, 2),
        ("mpeg2video", {"bf": "2"}, 1),
        ("mjpeg", {}, 0),
    ],
)
def test_empty_slots_of_avi_show_the_picture_before_for_longer(tmp_path, drive, encoder, options, delay):
    """B-frames delay all pictures, as FFmpeg writes and plays them; those behind the last packet follow at the rate."""
    times = times_of(in_slots(tmp_path / "slots.avi", encoder, drive, **options))
    assert times[0] == Fraction(delay, 15)
    told = len(SHOWN) - delay
    assert [round(time * 15) - delay for time in times[:told]] == SHOWN[:told]
    assert steps(times[told - 1 :], 15) == [1] * delay


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("codec", "bf", "suffix", "fps"),
    [
        ("mpeg4", "2", ".mkv", 15),
        ("mpeg4", "2", ".mkv", 0.5),
        ("mpeg2video", "2", ".mkv", 15),
        ("mpeg2video", "2", ".ts", 15),
        ("h264", "3", ".mkv", 15),
        ("h264", "3", ".mkv", 0.5),
        ("h264", "3", ".ts", 15),
        ("hevc", "3", ".mkv", 15),
    ],
)
def test_times_of_decoding_in_place_of_presentation(make_clip, tmp_path, codec, bf, suffix, fps, threads):
    """They are found out within the first B-frames, which stand together; then every picture has its time."""

    source = make_clip(codec, ".mp4", fps=fps, options={"bf": bf})
    clip = with_times(source, tmp_path / f"wrong{suffix}", decoding=True)
    frames = sorted(Video(clip, threads=threads).frames(), key=lambda frame: frame.display)
    times = [frame.pts * frame.time_base for frame in frames]
    assert times == sorted(times)
    assert steps(times[4:], fps) == [1] * (len(times) - 5)
    assert 29 <= round(float(times[-1] - times[0]) * fps) <= 31


def test_times_of_decoding_where_thousands_of_packets_are_read_ahead(tmp_path):
    """Of a small video with long GOPs, many of which are decoded side by side."""
    tiny = [np.full((16, 16, 3), 60 * i, np.uint8) for i in range(4)]
    gop = encode_clip(tmp_path / "gop.mp4", (tiny[i % 4] for i in range(600)), gop=600, options={"bf": "2"})
    clip = tmp_path / "clip.mkv"
    with av.open(str(gop)) as a, av.open(str(clip), "w") as b:
        stream = b.add_stream_from_template(a.streams.video[0])
        packets = [packet for packet in a.demux(video=0) if packet.size]
        for at in range(8):
            for i, packet in enumerate(packets):
                copy = av.Packet(bytes(packet))
                copy.pts = copy.dts = at * 600 + i
                copy.time_base, copy.stream, copy.is_keyframe = Fraction(1, 15), stream, packet.is_keyframe
                b.mux(copy)
    decoder = Decoder(str(clip), Stopwatch(), vectors=False, threads=16)
    times = [picture.pts for picture in decoder.pictures()]
    decoder.close()
    assert len(times) == 4800
    assert times == sorted(times)


@pytest.mark.parametrize(("bf", "late"), [("1", 1), ("2", 2)])
def test_times_of_decoding_with_many_lost(make_clip, tmp_path, bf, late):
    """From the next key frame on they are off by no more than the pictures that lead it."""
    source = make_clip("mpeg4", ".mp4", options={"bf": bf})
    times = times_of(with_times(source, tmp_path / "wrong.mkv", decoding=True, spoil=range(2, 9)))
    assert len(times) < 26
    assert times == sorted(times)
    assert steps(times[-12:], 15) == [1] * 11
    assert 29 - late <= round(float(times[-1]) * 15) <= 29


def test_without_b_frames_a_lost_picture_leaves_a_gap(make_clip, tmp_path):
    """Packets that only go forward in time are no sign of anything by themselves."""
    times = times_of(with_times(make_clip("mpeg4", ".mp4"), tmp_path / "lost.mkv", decoding=False, spoil=[6]))
    assert [round(float(time) * 15) for time in times] == [i for i in range(30) if i != 6]


@pytest.mark.parametrize("fps", [Fraction(1, 10), Fraction(1, 3), 10, Fraction(30000, 1001), 60])
@pytest.mark.parametrize(("codec", "suffix"), [("h264", ".264"), ("mpeg4", ".m4v"), ("hevc", ".265")])
def test_raw_streams_go_at_the_rate_that_they_say(tmp_path, drive, codec, suffix, fps):
    frames = [rgb for rgb, _ in drive][:8]
    clip = encode_clip(tmp_path / f"raw{suffix}", frames, codec=codec, fps=fps)
    assert float(Video(clip).rate) == pytest.approx(float(fps), rel=1e-4)


def test_the_overlay_and_the_results_have_these_times(tmp_path, drive, model):
    clip = in_slots(tmp_path / "slots.avi", "mpeg4", drive, bf="2")
    seconds = [result.pts_seconds for result in Segmenter(model).stream(clip)]
    assert seconds == [float(time) for time in times_of(clip)]
    Segmenter(model).run(clip, tmp_path / "out", save=("overlay",))
    with av.open(str(tmp_path / "out/overlay.mp4")) as container:
        assert [frame.time for frame in container.decode(video=0)] == pytest.approx(seconds, abs=1e-4)
