import resource
import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pytest
from av.sidedata.sidedata import Type

from taplab.errors import OutputError, SettingError
from taplab.output.overlay import OverlayWriter
from taplab.types import IGNORE
from taplab.upright import upright

PALETTE = [(128, 64, 128), (0, 200, 60), (40, 60, 220)]
TICK = Fraction(1, 90000)


@pytest.fixture
def write(tmp_path, result_of):
    """Writes pictures (their labels 0, or as given) and returns the writer."""

    def run(pictures, *, labels=None, pts=None, time_base=TICK, damaged=(), size=None, **settings):
        width, height = size or (pictures[0].width, pictures[0].height)
        with OverlayWriter(tmp_path / "overlay.mp4", width, height, PALETTE, time_base=time_base, **settings) as writer:
            for index, picture in enumerate(pictures):
                mask = np.zeros((picture.height, picture.width), np.uint8) if labels is None else labels
                time = pts[index] if pts is not None else 3000 * index
                bad = index in damaged
                writer.write(result_of(index, picture, mask, pts=time, time_base=time_base, damaged=bad))
        return writer

    return run


def frames_of(path):
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def times_of(path):
    return [frame.pts * frame.time_base for frame in frames_of(path)]


def sound_of(path):
    """Time and bytes of each packet."""
    with av.open(str(path)) as container:
        packets = list(container.demux(audio=0)) if container.streams.audio else []
        return [(float(packet.pts * packet.time_base), bytes(packet)) for packet in packets if packet.size]


def boxes_of(path):
    """Names of the outermost boxes of an mp4, in order."""
    data, names, place = path.read_bytes(), [], 0
    while place < len(data):
        names.append(data[place + 4 : place + 8].decode())
        place += int.from_bytes(data[place : place + 4], "big")
    return names


def make_clip(path, *, video="libx264", audio="aac", seconds=2, start=0.0, every=1):
    """A real clip with a moving pattern at 25 frames a second and a 440 Hz tone, both beginning at ``start``.

    every: of the frames of the pattern only each so-many-th is there.
    """
    with av.open(str(path), "w") as container:
        pictures = container.add_stream(video, rate=Fraction(25, every))
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        tone = container.add_stream(audio, rate=48000)
        tone.layout = "mono"
        for index in range(25 * seconds):
            shade = np.roll(np.arange(64, dtype=np.uint8) * 4, index)
            picture = av.VideoFrame.from_ndarray(np.tile(shade[None, :, None], (48, 1, 3)))
            picture.pts, picture.time_base = (index + round(25 * start)) // every, Fraction(every, 25)
            if index % every == 0:
                container.mux(pictures.encode(picture))
            wave = np.sin(440 * 2 * np.pi * (np.arange(1920) + 1920 * index) / 48000) / 4
            sound = av.AudioFrame.from_ndarray((wave * 32767).astype(np.int16)[None], format="s16", layout="mono")
            sound.sample_rate, sound.time_base = 48000, Fraction(1, 48000)
            sound.pts = 1920 * index + round(48000 * start)
            container.mux(tone.encode(sound))
        container.mux(pictures.encode())
        container.mux(tone.encode())
    return path


@pytest.fixture
def overlay_clip(tmp_path, result_of):
    """The overlay of the first frames of a clip, with its sound."""

    def run(clip, count=None):
        with av.open(str(clip)) as container:
            stream = container.streams.video[0]
            pictures = list(container.decode(stream))[:count]
            settings = {"time_base": stream.time_base, "rate": stream.average_rate, "audio_from": str(clip)}
        with OverlayWriter(tmp_path / "overlay.mp4", 64, 48, PALETTE, **settings) as writer:
            for index, picture in enumerate(pictures):
                labels = np.zeros((48, 64), np.uint8)
                writer.write(result_of(index, picture, labels, pts=picture.pts, time_base=picture.time_base))
        return writer, [picture.pts * picture.time_base for picture in pictures]

    return run


def test_file_is_what_browsers_play(write, grey):
    writer = write([grey(64, 48)] * 3)
    with av.open(str(writer.path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert stream.frames == 3
    names = boxes_of(writer.path)
    assert names.index("moov") < names.index("mdat")
    assert [path.name for path in writer.path.parent.iterdir()] == ["overlay.mp4"]


@pytest.mark.parametrize(
    ("time_base", "pts"),
    [
        (TICK, [0, 3000, 3600, 12000, 90001, 90002]),
        (TICK, [126000, 129003, 132006]),
        (Fraction(1001, 30000), [0, 1, 2, 5, 6]),
        (Fraction(1, 1000000), [40000, 73333, 106667, 3600000]),
        (Fraction(1, 24), [1, 2, 3, 7]),
    ],
)
def test_timestamps_are_those_of_the_source(write, grey, time_base, pts):
    writer = write([grey(32, 32)] * len(pts), pts=pts, time_base=time_base)
    assert times_of(writer.path) == [time * time_base for time in pts]
    assert writer.notes == []


def test_missing_timestamps_follow_the_rate(write, grey):
    writer = write([grey(32, 32)] * 4, pts=[None] * 4, rate=Fraction(10))
    assert times_of(writer.path) == [Fraction(index, 10) for index in range(4)]


def test_repeated_timestamps_become_increasing(write, grey):
    writer = write([grey(32, 32)] * 4, pts=[0, 3000, 3000, 6000])
    assert times_of(writer.path) == [0, 3000 * TICK, 3001 * TICK, 6000 * TICK]


@pytest.mark.parametrize("start", [0, 2**40])
def test_timestamps_that_begin_anew_follow_on(write, grey, start):
    writer = write([grey(32, 32)] * 4, pts=[0, 900000, start, start + 3000], rate=Fraction(30))
    assert times_of(writer.path) == [0, 10, 10 + Fraction(1, 30), 10 + Fraction(2, 30)]


def test_short_clips_joined_are_played_at_their_rate(write, grey):
    """A third of a second each, with times of their own: a joined clip begins before the last one ended."""
    writer = write([grey(32, 32)] * 30, pts=[3600 * i for i in range(10)] * 3)
    assert times_of(writer.path) == [3600 * i * TICK for i in range(30)]


@pytest.mark.parametrize("start", [-9000, 90000 * 3600])
def test_a_start_that_players_would_wait_for_is_moved_to_zero(write, grey, start):
    writer = write([grey(32, 32)] * 2, pts=[start, start + 4500])
    assert times_of(writer.path) == [0, Fraction(1, 20)]
    assert "begin at zero" in writer.notes[0]


@pytest.mark.parametrize("matrix", ["ITU601", "ITU709"])
def test_class_colours_come_out_right_in_the_tagged_matrix(write, grey, matrix):
    picture = grey(64, 48, format="yuv420p", dst_colorspace=matrix)
    picture.colorspace = {"ITU601": 6, "ITU709": 1}[matrix]
    labels = np.repeat(np.arange(3, dtype=np.uint8), 16)[:, None].repeat(64, axis=1)
    shown = frames_of(write([picture] * 2, labels=labels, alpha=1.0).path)[0].to_ndarray(format="rgb24").astype(int)
    for index, colour in enumerate(PALETTE):
        assert np.abs(shown[16 * index + 8, 32] - colour).max() < 12


def test_half_blend_lies_between_picture_and_class(write, grey):
    shown = frames_of(write([grey(64, 48, 200)] * 2).path)[0].to_ndarray(format="rgb24").astype(int)
    assert np.abs(shown[24, 32] - (np.array(PALETTE[0]) + 200) / 2).max() < 8


@pytest.mark.parametrize(
    ("format", "options"),
    [
        ("rgb24", {}),
        ("yuv420p", {}),
        ("yuvj420p", {"dst_color_range": "JPEG"}),
        ("yuvj444p", {"dst_color_range": "JPEG"}),
        ("yuv420p10le", {}),
        ("gray", {}),
        ("nv12", {}),
    ],
)
@pytest.mark.parametrize("level", [0, 128, 255])
def test_ignored_pixels_keep_their_level_in_every_format(write, grey, format, options, level):
    picture = grey(64, 48, level, format=format, **options)
    labels = np.full((48, 64), IGNORE, np.uint8)
    frame = frames_of(write([picture] * 2, labels=labels).path)[0]
    assert frame.color_range != 2
    assert np.abs(frame.to_ndarray(format="rgb24").astype(int) - level).max() < 5


def test_damaged_frames_have_a_red_border(write, grey):
    sound, damaged = (
        frame.to_ndarray(format="rgb24").astype(int)
        for frame in frames_of(write([grey(256, 256)] * 2, damaged=[1]).path)
    )
    for edge in (damaged[1], damaged[-2], damaged[:, 1], damaged[:, -2]):
        assert (edge[8:-8, 0] > 200).all()
        assert (edge[8:-8, 1:] < 60).all()
    assert np.abs(damaged[16:-16, 16:-16] - sound[16:-16, 16:-16]).max() < 12
    assert np.abs(sound[1] - sound[128]).max() < 12


def test_odd_sizes_lose_their_last_row_and_column(write, grey):
    frame = frames_of(write([grey(65, 49, format="yuv420p")] * 2).path)[0]
    assert (frame.width, frame.height) == (64, 48)


def test_change_of_resolution_is_scaled_to_the_first_size(write, grey, result_of, tmp_path):
    labels = np.repeat(np.array([0, 1], np.uint8), 48)[None].repeat(64, axis=0)
    with OverlayWriter(tmp_path / "scaled.mp4", 64, 48, PALETTE, time_base=TICK, alpha=1.0) as writer:
        writer.write(result_of(0, grey(64, 48), np.zeros((48, 64), np.uint8), pts=0, time_base=TICK))
        writer.write(result_of(1, grey(96, 64), labels, pts=3000, time_base=TICK))
    shown = frames_of(writer.path)[1].to_ndarray(format="rgb24").astype(int)
    assert shown.shape == (48, 64, 3)
    assert np.abs(shown[24, 16] - PALETTE[0]).max() < 12
    assert np.abs(shown[24, 48] - PALETTE[1]).max() < 12


@pytest.mark.parametrize("turns", range(8))
def test_how_it_is_turned_is_passed_on(write, grey, turns):
    """Players take the corners on the left to where the matrix does, of columns to the right and rows down."""
    side_data = frames_of(write([grey(64, 48)] * 2, turns=turns).path)[0].side_data.get(Type.DISPLAYMATRIX)
    matrix = np.eye(3, dtype=np.int32) if side_data is None else np.frombuffer(side_data, np.int32).reshape(3, 3)
    seen = np.zeros((2, 2), np.uint8)
    for corner, (x, y) in enumerate([(-1, -1), (-1, 1)], start=1):
        right, down = np.sign((x, y) @ np.sign(matrix[:2, :2])) > 0
        seen[int(down), int(right)] = corner
    assert np.array_equal(upright(np.array([[1, 0], [2, 0]], np.uint8), turns), seen)


@pytest.mark.parametrize(("name", "video", "audio"), [("a.mp4", "libx264", "aac"), ("a.avi", "mpeg4", "libmp3lame")])
def test_sound_is_copied_in_step(tmp_path, overlay_clip, name, video, audio):
    clip = make_clip(tmp_path / name, video=video, audio=audio)
    writer, times = overlay_clip(clip)
    assert times_of(writer.path) == times
    source, copied = sound_of(clip), sound_of(writer.path)
    assert [data for _, data in copied] == [data for _, data in source][: len(copied)]
    assert np.allclose([time for time, _ in copied], [time for time, _ in source][: len(copied)], atol=1e-3)
    assert copied[-1][0] > 1.9
    assert writer.notes == []


def test_sound_of_a_transport_stream_that_begins_late(tmp_path, overlay_clip):
    clip = make_clip(tmp_path / "late.ts", start=1.0)
    writer, times = overlay_clip(clip)
    assert times[0] == 1
    assert times_of(writer.path) == times
    starts = sound_of(clip)[0][0], sound_of(writer.path)[0][0]
    assert starts[1] == pytest.approx(starts[0], abs=2e-3)


def test_sound_follows_a_start_moved_to_zero(tmp_path, overlay_clip):
    clip = make_clip(tmp_path / "late.mkv", start=30.0)
    writer, times = overlay_clip(clip)
    assert times_of(writer.path)[0] == 0
    assert sound_of(writer.path)[0][0] == pytest.approx(sound_of(clip)[0][0] - float(times[0]), abs=2e-3)


def test_sound_stops_with_the_pictures(tmp_path, overlay_clip):
    clip = make_clip(tmp_path / "a.mp4")
    writer, _ = overlay_clip(clip, count=10)
    assert 0.35 < sound_of(writer.path)[-1][0] < 0.4


@pytest.mark.parametrize("name", ["slow.mp4", "slow.ts", "slow.mkv"])
def test_the_last_of_slow_pictures_lasts_as_long_as_in_the_source(tmp_path, overlay_clip, name):
    """A picture every 10 s. A transport stream says nothing of its rate."""
    clip = make_clip(tmp_path / name, seconds=30, every=250)
    writer, times = overlay_clip(clip)
    assert times_of(writer.path) == times
    with av.open(str(writer.path)) as container:
        stream = container.streams.video[0]
        assert float((stream.start_time + stream.duration) * stream.time_base) == pytest.approx(float(times[0]) + 30)
    assert len(sound_of(writer.path)) >= len(sound_of(clip)) - 2  # the encoder's padding behind the end


def test_sound_that_does_not_fit_is_left_out_with_a_note(tmp_path, overlay_clip):
    writer, times = overlay_clip(make_clip(tmp_path / "a.mkv", audio="pcm_s16le"))
    assert len(times_of(writer.path)) == len(times)
    assert sound_of(writer.path) == []
    assert writer.notes == ["sound left out: players take no pcm_s16le in an mp4; convert it to aac to keep it"]


def test_sound_of_an_unknown_codec_is_left_out(tmp_path, overlay_clip):
    clip = make_clip(tmp_path / "a.mkv")
    clip.write_bytes(clip.read_bytes().replace(b"A_AAC", b"A_XYZ"))
    writer, times = overlay_clip(clip)
    assert len(times_of(writer.path)) == len(times)
    assert writer.notes == ["sound left out: FFmpeg does not know its codec; convert it to aac to keep it"]


def test_sound_that_is_damaged_ends_there(tmp_path, overlay_clip):
    """Packets of a transport stream without the ADTS header that an mp4 takes its place from."""
    clip = make_clip(tmp_path / "a.ts")
    data = bytearray(clip.read_bytes())
    sound = [at for at in range(0, len(data), 188) if (data[at + 1] & 31) << 8 | data[at + 2] == 0x101]
    for at in sound[len(sound) // 2 :]:
        data[at + 4 : at + 188] = data[at + 4 : at + 188].replace(b"\xff\xf1", b"\x12\xf1")
    clip.write_bytes(data)
    writer, times = overlay_clip(clip)
    assert len(times_of(writer.path)) == len(times)
    assert 0.2 < sound_of(writer.path)[-1][0] < 1.5
    (note,) = writer.notes
    assert note.startswith("Sound ends early: it cannot be read to its end (")


def test_folder_that_is_missing(tmp_path):
    with pytest.raises(OutputError, match=r"missing/overlay\.mp4: cannot be written .*make room"):
        OverlayWriter(tmp_path / "missing" / "overlay.mp4", 64, 48, PALETTE, time_base=TICK)


@pytest.mark.parametrize(("size", "alpha"), [((1, 48), 0.5), ((64, 48), 1.5)])
def test_settings_that_cannot_be(tmp_path, size, alpha):
    with pytest.raises(SettingError):
        OverlayWriter(tmp_path / "overlay.mp4", *size, PALETTE, time_base=TICK, alpha=alpha)


@pytest.fixture
def full_disk():
    """No file may grow beyond 20 kB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_reaches_the_caller_and_leaves_nothing_behind(tmp_path, result_of):
    def fill():
        generator = np.random.default_rng(0)
        with OverlayWriter(tmp_path / "overlay.mp4", 256, 256, PALETTE, time_base=TICK) as writer:
            for index in range(100):
                noise = generator.integers(0, 256, (256, 256, 3), dtype=np.uint8)
                picture = av.VideoFrame.from_ndarray(noise)
                writer.write(result_of(index, picture, noise[..., 0] % 3, pts=3000 * index, time_base=TICK))

    with pytest.raises(OutputError, match=r"overlay\.mp4: cannot be written .*make room"):
        fill()
    assert list(tmp_path.iterdir()) == []


def test_an_error_in_the_block_leaves_nothing_behind(tmp_path, result_of, grey):
    def interrupted():
        with OverlayWriter(tmp_path / "overlay.mp4", 64, 48, PALETTE, time_base=TICK) as writer:
            for index in range(20):
                writer.write(result_of(index, grey(64, 48), np.zeros((48, 64), np.uint8), pts=index, time_base=TICK))
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_no_frames_no_file(tmp_path):
    with OverlayWriter(tmp_path / "overlay.mp4", 64, 48, PALETTE, time_base=TICK) as writer:
        pass
    assert "no frame came" in writer.notes[0]
    assert list(tmp_path.iterdir()) == []


def test_numba_is_not_loaded_by_the_masks():
    check = "import sys, taplab.output.masks; sys.exit('numba' in sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)
