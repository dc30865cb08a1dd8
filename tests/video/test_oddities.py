"""Real encoded streams of every odd kind, in every mode: frames, pixels, labels and sizes are right."""

from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from av.stream import Disposition
from PIL import Image

from taplab import Segmenter, SourceError, TorchModel
from taplab.data.synthetic import SyntheticDrive
from taplab.output.sound import Sound
from taplab.upright import MIRRORED, upright
from taplab.video import open_video

MODES = ("per-frame", "offline", "live", "paper", "itp")
FRAMES = 20


class Brightness(torch.nn.Module):
    """Three classes by brightness, at an eighth of the size."""

    def forward(self, x):
        grey = torch.nn.functional.avg_pool2d(x.mean(1, keepdim=True), 8, ceil_mode=True)
        return torch.cat([-grey, 0.2 - grey.abs(), grey], 1)


MODEL = TorchModel(Brightness(), classes=("dark", "middle", "bright"), name="brightness")


def drive(height, width, count=FRAMES, seed=5):
    """Frames of any size, odd ones too."""
    for rgb, _ in SyntheticDrive(-(-height // 16) * 16, -(-width // 16) * 16, count, seed=seed):
        yield np.ascontiguousarray(rgb[:height, :width])


def add_video(container, encoder, size, pix_fmt="yuv420p", *, rotation=0, mirrored=False, full_range=False, **options):
    stream = container.add_stream(encoder, rate=15, options={"g": "10", "bf": "0", **options})
    stream.height, stream.width = size
    stream.pix_fmt = pix_fmt
    stream.codec_context.time_base = Fraction(1, 15)
    if full_range:
        stream.codec_context.color_range = 2
    if rotation or mirrored:
        stream.set_display_rotation(rotation, hflip=mirrored)
    return stream


def write_video(path, encoder="libx264", size=(144, 192), pix_fmt="yuv420p", *, times=None, frames=None, **how):
    """times: of the frames, in fifteenths of a second."""
    with av.open(str(path), "w") as container:
        stream = add_video(container, encoder, size, pix_fmt, **how)
        for i, rgb in enumerate(frames or drive(*size)):
            picture = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            picture = picture.reformat(format=pix_fmt, dst_color_range=2 if how.get("full_range") else None)
            picture.pts, picture.time_base = times[i] if times else i, Fraction(1, 15)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def plain(path, stream=0):
    """What plain decoding yields."""
    frames = []
    with av.open(str(path)) as container:
        for packet in container.demux(video=stream):
            try:
                frames += [f.to_ndarray(format="rgb24") for f in packet.decode()]
            except av.error.FFmpegError:
                continue
    return frames


def check(path, mode, pictures, least=0.8):
    """One result for each picture, of its size; the network's own labels, or near them."""
    segmentation = Segmenter(MODEL, mode=mode).stream(path)
    results = list(segmentation)
    assert [r.index for r in results] == list(range(len(pictures)))
    agreement = []
    for result, picture in zip(results, pictures, strict=True):
        assert result.labels.shape == picture.shape[:2]
        assert np.array_equal(result.frame.rgb(), picture)
        turned = np.ascontiguousarray(upright(picture, result.frame.turns))
        scores = torch.nn.functional.interpolate(MODEL(turned[None]), turned.shape[:2], mode="bilinear")
        agreement.append(np.mean(result.upright == scores.argmax(1)[0].numpy()))
    assert np.mean(agreement) > (0.999 if mode == "per-frame" else least)
    return segmentation, results


FORMATS = {
    "10 bit": ("libx264", (144, 192), "yuv420p10le", {}),
    "10 bit, HEVC": ("libx265", (144, 192), "yuv420p10le", {"x265-params": "log-level=error"}),
    "4:2:2": ("libx264", (144, 192), "yuv422p", {}),
    "4:4:4": ("libx264", (144, 192), "yuv444p", {"bf": "2"}),
    "4:2:2, 10 bit": ("libx264", (144, 192), "yuv422p10le", {}),
    "grey": ("libx264", (144, 192), "gray", {}),
    "RGB": ("libx264rgb", (144, 192), "rgb24", {}),
    "full range": ("libx264", (144, 192), "yuvj420p", {"full_range": True}),
    "full range by its tag": ("libx264", (144, 192), "yuv444p", {"full_range": True}),
    "odd, 4:4:4": ("libx264", (137, 189), "yuv444p", {}),
    "odd, grey": ("libx264", (137, 189), "gray", {}),
    "odd, MPEG-4": ("mpeg4", (137, 189), "yuv420p", {}),
    "odd, MPEG-2": ("mpeg2video", (137, 189), "yuv420p", {"strict": "unofficial"}),
    "odd, lossless": ("ffv1", (137, 189), "yuv420p", {}),
    "with alpha": ("ffv1", (144, 192), "yuva420p", {}),
    "tiny": ("libx264", (18, 22), "yuv420p", {}),
}


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder, made = tmp_path_factory.mktemp("odd"), {}

    def make(name, suffix=".mkv", **how):
        if name not in made:
            encoder, size, pix_fmt, more = FORMATS.get(name, ("libx264", (144, 192), "yuv420p", {}))
            path = write_video(folder / f"{len(made)}{suffix}", encoder, size, pix_fmt, **more, **how)
            made[name] = path, plain(path)
        return made[name]

    return make


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", FORMATS)
def test_every_format_of_pixels_and_size(clip, name, mode):
    path, pictures = clip(name)
    assert len(pictures) == FRAMES
    check(path, mode, pictures, 0.5 if name == "tiny" else 0.8)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gets_masks_and_an_overlay(clip, tmp_path, name):
    path, pictures = clip(name)
    Segmenter(MODEL).run(path, tmp_path)
    masks = sorted((tmp_path / "masks").iterdir())
    assert len(masks) == len(plain(tmp_path / "overlay.mp4")) == FRAMES
    with Image.open(masks[-1]) as mask:
        assert mask.size == pictures[0].shape[1::-1]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("rotation", [90, 180, -90])
def test_the_network_and_the_masks_are_upright(clip, tmp_path, mode, rotation):
    path, pictures = clip(f"rotated {rotation}", ".mp4", rotation=rotation)
    segmentation, _ = check(path, mode, pictures)
    assert segmentation.model is MODEL
    assert segmentation.summary().notes == []
    Segmenter(MODEL, mode=mode).run(path, tmp_path, save=("masks",), max_frames=2)
    with Image.open(tmp_path / "masks/000000.png") as mask:
        assert mask.size == ((192, 144) if rotation == 180 else (144, 192))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_mirrored_videos_are_seen_as_players_show_them(clip, tmp_path, mode, rotation):
    """As some front cameras write them: turned, then left and right change places."""
    path, pictures = clip(f"mirrored {rotation}", ".mp4", rotation=rotation, mirrored=True)
    _, results = check(path, mode, pictures)
    assert {r.frame.turns for r in results} == {rotation // 90 + MIRRORED}
    Segmenter(MODEL, mode=mode).run(path, tmp_path)
    with Image.open(tmp_path / "masks/000000.png") as mask:
        assert np.array_equal(np.asarray(mask), np.fliplr(np.rot90(results[0].labels, rotation // 90)))
    again = next(iter(Segmenter(MODEL).stream(tmp_path / "overlay.mp4")))
    assert again.frame.turns == results[0].frame.turns


@pytest.mark.parametrize(("rotation", "turns"), [(30, 0), (100, 1), (-50, 3), (178, 2)])
def test_what_is_shown_aslant_is_told(clip, rotation, turns):
    path, _ = clip(f"aslant {rotation}", ".mp4", rotation=rotation)
    run = Segmenter(MODEL, mode="paper").stream(path)
    assert {r.frame.turns for r in run} == {turns}
    assert run.summary().notes == ["players show it aslant; here it is turned by quarters alone"]


def test_a_display_matrix_of_zeros_turns_nothing(clip, tmp_path):
    """As some cameras write it; FFmpeg's angle of it is a huge number."""
    path, pictures = clip("upright", ".mp4")
    data = path.read_bytes()
    at = data.index(b"tkhd") + 44  # of version 0
    zeros = tmp_path / "zeros.mp4"
    zeros.write_bytes(data[:at] + bytes(36) + data[at + 36 :])
    segmentation, results = check(zeros, "offline", pictures)
    assert abs(results[0].frame.picture.rotation) > 360
    assert {r.frame.turns for r in results} == {0}
    assert segmentation.summary().notes == []


def test_a_rotated_real_clip_is_seen_upright(shared):
    seen = []

    class Watched(Brightness):
        def forward(self, x):
            seen.append(tuple(x.shape[2:]))
            return super().forward(x)

    model = TorchModel(Watched(), classes=("dark", "middle", "bright"))
    results = list(Segmenter(model).stream(shared / "clips/rotated90_h264.mov"))
    assert set(seen) == {(568, 320)}
    assert all(r.upright.shape == (568, 320) and r.labels.shape == (320, 568) for r in results)


@pytest.mark.parametrize("mode", MODES)
def test_a_variable_frame_rate_keeps_its_times(clip, mode):
    times = [i * (i + 3) // 2 for i in range(FRAMES)]
    path, pictures = clip("variable rate", times=times)
    _, results = check(path, mode, pictures)
    assert [round(r.pts_seconds * 15, 1) for r in results] == times


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["cars_320x240.h264", "cars_320x240.h265", "cars_320x240.mjpeg"])
def test_raw_streams_have_no_times_and_all_frames(shared, name, mode):
    check(shared / "clips" / name, mode, plain(shared / "clips" / name))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("encoder", "suffix", "how"),
    [
        ("libx264", ".264", {}),
        ("libx264", ".264", {"bf": "2"}),
        ("libx264", ".ts", {}),
        ("mpeg2video", ".m2v", {}),
        ("libx265", ".265", {"x265-params": "log-level=error"}),
        ("mjpeg", ".mjpeg", {"pix_fmt": "yuvj420p"}),
    ],
)
def test_a_new_size_in_mid_stream_begins_a_new_segment(tmp_path, encoder, suffix, how, mode):
    sizes = [(144, 192), (96, 128), (160, 112)]
    parts = []
    for h, w in sizes:
        parts.append(write_video(tmp_path / f"{h}{suffix}", encoder, (h, w), frames=list(drive(h, w, 8)), **how))
    path = tmp_path / f"joined{suffix}"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    pictures = plain(path)
    assert sorted({p.shape[:2] for p in pictures}) == sorted(sizes)
    _, results = check(path, mode, pictures, 0.75)
    firsts = [i for i in range(1, len(pictures)) if pictures[i].shape != pictures[i - 1].shape]
    assert all(results[i].key for i in firsts)
    if mode != "per-frame":
        assert len({r.frame.scene for r in results if not r.damaged}) == 3
    if mode == "offline":
        Segmenter(MODEL).run(path, tmp_path / "out")
        assert len(plain(tmp_path / "out/overlay.mp4")) == len(pictures)


@pytest.mark.parametrize("suffix", [".avi", ".mkv", ".mov", ".mp4", ".flv"])
def test_a_title_in_another_encoding_is_none_of_our_business(tmp_path, suffix):
    path = tmp_path / f"cafe{suffix}"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "CafZZ"
        stream = add_video(container, "flv" if suffix == ".flv" else "mpeg4", (48, 64))
        for i, rgb in enumerate(drive(48, 64, 3)):
            picture = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")
            picture.pts, picture.time_base = i, Fraction(1, 15)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    data = path.read_bytes()
    assert b"CafZZ" in data
    path.write_bytes(data.replace(b"CafZZ", "Café ".encode("latin-1")))
    assert len(list(open_video(path).frames())) == 3
    assert Sound.of(str(path), []) is None


def test_nothing_is_predicted_across_a_change_of_pixel_format(tmp_path):
    """A flickering part is best explained by the last frame but one, which is of 8 bits at first."""
    still = next(drive(144, 192, 1))
    pattern = 30 * (np.indices((144, 64)).sum(0) // 4 % 2)[..., None].astype(np.uint8)
    other = np.concatenate([still[:, :128], still[:, 128:] // 4 * 3 + pattern], 1)
    flicker, how = [still, other] * 3, {"refs": "4", "sc_threshold": "0"}
    path, formats = tmp_path / "both.264", ("yuv420p", "yuv420p10le")
    parts = [write_video(tmp_path / f"{f}.264", pix_fmt=f, frames=flicker, **how) for f in formats]
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    frames = list(open_video(path).frames())
    assert [f.kind for f in frames] == ["I", *"PPPPP"] * 2
    assert not any(f.damaged for f in frames)
    assert all(f.residual is not None for f in frames if f.kind == "P")
    assert all(field.reference >= 6 for f in frames[7:] for field in f.motion.fields)


def with_cover(path, *, cover_first, video=True):
    """A Matroska file with sound, a cover picture and perhaps a video."""
    with av.open(str(path), "w") as container:

        def cover():
            stream = container.add_stream("mjpeg", rate=1, options={})
            stream.width, stream.height, stream.pix_fmt = 320, 320, "yuvj420p"
            stream.disposition = Disposition.attached_pic
            return stream

        def film():
            return add_video(container, "libx264", (144, 192))

        makers = [cover, film] if cover_first else [film, cover]
        streams = {make.__name__: make() for make in makers if video or make is cover}
        picture = av.VideoFrame.from_ndarray(np.full((320, 320, 3), 200, np.uint8), format="rgb24")
        container.mux(streams["cover"].encode(picture.reformat(format="yuvj420p")))
        container.mux(streams["cover"].encode())
        for i, rgb in enumerate(drive(144, 192) if video else ()):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = i, Fraction(1, 15)
            container.mux(streams["film"].encode(frame))
        if video:
            container.mux(streams["film"].encode())
    return path


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("cover_first", [True, False])
def test_a_cover_picture_is_no_video(tmp_path, cover_first, mode):
    path = with_cover(tmp_path / "film.mp4", cover_first=cover_first)
    with av.open(str(path)) as container:
        film = next(s.index for s in container.streams.video if not s.disposition & Disposition.attached_pic)
    check(path, mode, plain(path, film))


def test_a_cover_picture_alone_is_refused(tmp_path):
    path = with_cover(tmp_path / "cover.mp4", cover_first=True, video=False)
    with pytest.raises(SourceError, match="cover picture"):
        Segmenter(MODEL).stream(path)


@pytest.mark.parametrize("mode", MODES)
def test_of_several_videos_the_default_one_is_taken(tmp_path, mode):
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        streams = [add_video(container, "libx264", size) for size in ((96, 128), (144, 192))]
        streams[0].disposition, streams[1].disposition = Disposition(0), Disposition.default
        for stream, size in zip(streams, ((96, 128), (144, 192)), strict=True):
            for i, rgb in enumerate(drive(*size)):
                frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")
                frame.pts, frame.time_base = i, Fraction(1, 15)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
    check(path, mode, plain(path, 1))


def cut_packets(source, target, keep, shift=0):
    """The packets for whose number ``keep`` holds, ``shift`` frames earlier."""
    with av.open(str(source)) as a, av.open(str(target), "w", options={"avoid_negative_ts": "disabled"}) as b:
        stream = b.add_stream_from_template(a.streams.video[0])
        step = int(1 / 15 / a.streams.video[0].time_base) * shift
        for i, packet in enumerate(a.demux(a.streams.video[0])):
            if packet.dts is not None and keep(i):
                packet.pts, packet.dts, packet.stream = packet.pts - step, packet.dts - step, stream
                b.mux(packet)
    return target


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("encoder", ["libx264", "mpeg4"])
def test_what_an_edit_list_hides_is_not_shown(tmp_path, encoder, mode):
    whole = write_video(tmp_path / "whole.mp4", encoder)
    path = cut_packets(whole, tmp_path / "trimmed.mp4", lambda i: True, shift=5)
    pictures = plain(path)
    assert len(pictures) == FRAMES - 5
    segmentation, _ = check(path, mode, pictures)
    assert segmentation.summary().damaged == 0


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("encoder", "suffix", "how"),
    [
        ("libx264", ".mkv", {}),
        ("libx264", ".ts", {"bf": "2"}),
        ("mpeg4", ".avi", {}),
        ("mpeg2video", ".ts", {"bf": "2"}),
        ("libx265", ".mkv", {"x265-params": "log-level=error"}),
    ],
)
def test_a_stream_that_begins_in_the_middle(tmp_path, encoder, suffix, how, mode):
    whole = write_video(tmp_path / f"whole{suffix}", encoder, **how)
    path = cut_packets(whole, tmp_path / f"middle{suffix}", lambda i: i >= 4)
    _, results = check(path, mode, plain(path))
    key = next(r.index for r in results if r.kind == "I")
    assert all(r.damaged and r.key for r in results[:key])
    assert not any(r.damaged for r in results if r.index >= key)
    assert all(r.frame.scene != results[key].frame.scene for r in results[:key]) or mode == "per-frame"


@pytest.mark.parametrize("mode", MODES)
def test_what_comes_before_the_first_parameters_cannot_be_decoded(tmp_path, mode):
    whole = write_video(tmp_path / "whole.264").read_bytes()
    path = tmp_path / "late.264"
    path.write_bytes(whole[whole.index(b"\0\0\1\x41") :])  # the first P-slice
    pictures = plain(path)
    assert len(pictures) == FRAMES - 10
    _, results = check(path, mode, pictures)
    assert not any(r.damaged for r in results)
