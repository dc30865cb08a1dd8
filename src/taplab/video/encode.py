"""Clips from RGB frames, made by the real encoders: for demos, tests and for putting image sequences into a stream."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Literal, NamedTuple, cast

import av
import av.error
from av.container import OutputContainer
from av.video.frame import PictureType

from taplab.errors import OutputError, SettingError
from taplab.files import MAKE_ROOM, unwritable
from taplab.types import Rgb
from taplab.words import is_number

QP2LAMBDA = 118  # FF_QP2LAMBDA: the Lagrange multiplier of a quantiser scale
H263_SIZES = ((128, 96), (176, 144), (352, 288), (704, 576), (1408, 1152))  # width, height
HIGHEST = {"qscale": 31, "crf": 51}
_SLOWEST, _FASTEST = 0.001, 1_000_000  # frames a second
NO_SCENE_CUTS = "1000000000"  # an I-frame only where the GOP says so


class Encoder(NamedTuple):
    """How taplab drives one of libavcodec's encoders. ``quality`` is a quantiser scale, or a rate factor (crf)."""

    name: str
    control: Literal["qscale", "crf"]
    quality: float
    options: dict[str, str]


_QSCALE = {"sc_threshold": NO_SCENE_CUTS}
_X265 = "scenecut=0:open-gop=0:log-level=error"
ENCODERS = {
    "mpeg4": Encoder("mpeg4", "qscale", 3, _QSCALE),
    "mpeg2video": Encoder("mpeg2video", "qscale", 3, _QSCALE),
    "mpeg1video": Encoder("mpeg1video", "qscale", 3, {**_QSCALE, "strict": "unofficial"}),  # 15 fps is unofficial
    "h263": Encoder("h263", "qscale", 3, _QSCALE),
    "h263p": Encoder("h263p", "qscale", 3, _QSCALE),
    "flv1": Encoder("flv", "qscale", 3, _QSCALE),
    "h264": Encoder("libx264", "crf", 23, {"sc_threshold": "0", "preset": "veryfast", "forced-idr": "1"}),
    "hevc": Encoder("libx265", "crf", 28, {"preset": "veryfast", "forced-idr": "1"}),
}


def encode_clip(
    path: Path | str,
    frames: Iterable[Rgb],
    *,
    codec: str = "mpeg4",
    fps: float | Fraction = 15.0,
    gop: int = 12,
    first_gop: int | None = None,
    quality: float | None = None,
    options: dict[str, str] | None = None,
    title: str | None = None,
) -> Path:
    """Encode RGB frames, uint8 ``[H, W, 3]`` with even H and W, and return ``path``.

    The suffix of ``path`` picks the container (.mp4, .avi, .mkv, .ts, .m2v, ...). An I-frame stands every ``gop``
    frames and nowhere else; ``first_gop`` makes the first group shorter and so moves all others. There are no
    B-frames unless ``options`` (passed to the encoder as they are) ask for them, e.g. ``{"bf": "2", "refs": "3"}``.
    ``quality``: the fixed quantiser scale of the MPEG and H.263 families (1..31, default 3), or crf (1..51, h264:
    default 23, hevc: 28). ``title``: what the file says of itself, where the container can.

    Raises SettingError for an unknown codec, an odd size, frames of unequal size, no frames at all, or what the
    encoder or container refuses; OutputError if the file cannot be written. No broken file is left behind.
    """
    path = Path(path)
    if path.is_dir():
        raise OutputError(f"{path}: is a folder; give the name of a file")
    encoder = _encoder(codec)
    if not is_number(fps) or not _SLOWEST <= fps <= _FASTEST:
        raise SettingError(f"fps {fps!r}: give a number of frames a second from {_SLOWEST} to {_FASTEST}")
    if gop < 1 or (first_gop is not None and not 1 <= first_gop <= gop):
        raise SettingError(f"gop {gop}, first_gop {first_gop}: both must be positive, first_gop at most gop")
    highest = HIGHEST[encoder.control]
    if quality is not None and not 1 <= quality <= highest:
        raise SettingError(f"quality {quality} for {codec}: give a {encoder.control} from 1 (best) to {highest}")
    checked = _checked(frames, codec)
    first = next(checked, None)
    if first is None:
        raise SettingError(f"{path}: no frames to encode; give at least one")
    _check_options(encoder, options or {})
    settings = _options(encoder, gop, encoder.quality if quality is None else quality, options or {})
    try:
        rate = Fraction(fps).limit_denominator(1001)
        _encode(path, codec, chain([first], checked), rate, settings, first_gop, title)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def _encoder(codec: str) -> Encoder:
    if codec not in ENCODERS:
        raise SettingError(f"codec {codec}: unknown; choose one of {', '.join(ENCODERS)}")
    encoder = ENCODERS[codec]
    if encoder.name not in av.codecs_available:
        raise SettingError(f"codec {codec}: this build of FFmpeg has no encoder {encoder.name}; choose another")
    return encoder


def _check_options(encoder: Encoder, options: dict[str, str]) -> None:
    """PyAV drops options that the encoder does not know without a word."""
    if options:
        known = av.CodecContext.create(encoder.name, "w").supported_options
        names = {option.name for option in (*known.generic, *known.private)}
        if unknown := sorted(options.keys() - names):
            raise SettingError(
                f"option {unknown[0]}: {encoder.name} has none of that name; look at ffmpeg -h encoder={encoder.name}"
            )


def _options(encoder: Encoder, gop: int, quality: float, extra: dict[str, str]) -> dict[str, str]:
    result = {"g": str(gop), "bf": "0", **encoder.options}
    if encoder.control == "qscale":
        scale, lagrange = str(round(quality)), str(round(quality) * QP2LAMBDA)
        # Not "+qscale": that takes the scale from each frame, where PyAV cannot set it. The limits pin it as well.
        result |= {"qmin": scale, "qmax": scale, "lmin": lagrange, "lmax": lagrange}
    else:
        result["crf"] = str(quality)
    if encoder.name == "libx265":
        result["x265-params"] = f"{_X265}:min-keyint={gop}"
    return result | extra


def _checked(frames: Iterable[Rgb], codec: str) -> Iterator[Rgb]:
    """The frames, each looked at as it passes."""
    size: tuple[int, ...] | None = None
    for index, frame in enumerate(frames):
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != "uint8":
            raise SettingError(f"frame {index}: is {frame.dtype} {list(frame.shape)}; give uint8 [H, W, 3]")
        size = size or frame.shape
        height, width = size[:2]
        if frame.shape != size:
            raise SettingError(
                f"frame {index}: is {frame.shape[1]}x{frame.shape[0]}, the first one {width}x{height}; "
                "give all frames the same size"
            )
        if height % 2 or width % 2:
            raise SettingError(f"frames of {width}x{height}: cannot be encoded; crop them to an even width and height")
        if codec == "h263" and (width, height) not in H263_SIZES:
            allowed = ", ".join(f"{w}x{h}" for w, h in H263_SIZES)
            raise SettingError(f"codec h263: knows no {width}x{height}; use one of {allowed}, or codec h263p")
        yield frame


def _encode(
    path: Path,
    codec: str,
    frames: Iterable[Rgb],
    rate: Fraction,
    options: dict[str, str],
    forced: int | None,
    title: str | None,
) -> None:
    with _refusals(path, codec):
        container = av.open(str(path), "w")
    if title is not None:
        container.metadata["title"] = title
    stream: av.VideoStream | None = None
    try:
        for index, rgb in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")
            picture.pts, picture.time_base = index, 1 / rate
            if index == forced:
                picture.pict_type = PictureType.I  # the encoder counts its GOPs from here
            with _refusals(path, codec):
                stream = stream or _add_stream(container, ENCODERS[codec].name, rate, rgb, options)
                container.mux(stream.encode(picture))
        with _refusals(path, codec):
            if stream is not None:
                container.mux(stream.encode())
    finally:
        with _refusals(path, codec):
            container.close()


def _add_stream(
    container: OutputContainer, encoder: str, rate: Fraction, rgb: Rgb, options: dict[str, str]
) -> av.VideoStream:
    stream = cast(av.VideoStream, container.add_stream(encoder, rate=rate, options=options))
    stream.height, stream.width = rgb.shape[:2]
    stream.pix_fmt = "yuv420p"
    stream.codec_context.time_base = 1 / rate
    return stream


@contextmanager
def _refusals(path: Path, codec: str) -> Iterator[None]:
    """Tells what FFmpeg refuses in one line; errors of the caller's frames are raised elsewhere and pass."""
    try:
        yield
    except OSError as error:
        raise unwritable(path, error, MAKE_ROOM) from error
    except (av.error.FFmpegError, ValueError) as error:
        reason = str(error).split(": 'avcodec_open2", 1)[0]
        raise SettingError(
            f"{path}: cannot hold {codec} ({reason}); choose another codec, container, fps, quality or option"
        ) from error
