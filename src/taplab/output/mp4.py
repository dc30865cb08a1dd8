"""An H.264 file that plays in browsers, with the source's timestamps and sound."""

from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
from av.container import OutputContainer

from taplab.output.blend import BT601, LIMITED_RANGE
from taplab.output.sound import Sound
from taplab.output.timeline import Timeline
from taplab.upright import MIRRORED

# At 1024x2048 a quarter of the time of "veryfast", at the same PSNR and twice the size; with its loop filter, which
# "ultrafast" leaves out, 1 dB better and smaller.
QUALITY = {"preset": "ultrafast", "crf": "23", "x264-params": "deblock=0,0"}
KEY_SECONDS = 2  # between key frames: how finely players can seek


class Mp4:
    """A file in the making: ``begin`` with the first picture of the source, ``add`` frames, ``finish``, ``close``.

    size: width and height, both even. The index (moov) is moved to the front when the file is finished.
    """

    def __init__(
        self, path: Path, size: tuple[int, int], timeline: Timeline, rate: Fraction, turns: int, notes: list[str]
    ) -> None:
        self._path = path
        self._size = size
        self._timeline = timeline
        self._rate = rate
        self._turns = turns
        self._notes = notes
        self._sound: Sound | None = None
        self._end = Fraction(0)
        self._lasts = timeline.frame_ticks  # the frame that was added last
        self._container = self._opened()

    def begin(self, picture: av.VideoFrame, first: Fraction, audio_from: str | None) -> None:
        """Write the header: colours tagged as in ``picture``, sound from ``first`` (seconds in the source) on."""
        sound = Sound.of(audio_from, self._notes) if audio_from else None
        try:
            self._start(picture, sound)
        except (av.error.FFmpegError, ValueError) as error:
            if sound is None:
                raise
            self._notes.append(f"sound left out: it does not fit into an mp4 as it is ({error})")
            sound.close()
            sound = None
            self._container = self._opened()
            self._start(picture, None)
        if sound is not None:
            sound.begin(first, self._timeline.shift)
        self._sound = sound

    def add(self, picture: av.VideoFrame, pts: int, lasts: int) -> None:
        """Encode a limited-range yuv420p frame; ``pts``, and how long it lasts if it is the last, in ticks."""
        picture.pts, picture.time_base = pts, self._timeline.time_base
        self._lasts = lasts
        self._end = (pts + lasts) * self._timeline.time_base
        self._write(self._stream.encode(picture))

    def finish(self) -> None:
        """Write what the encoder still holds, the sound up to the end of the last frame, and the index."""
        self._write(self._stream.encode())
        if self._sound is not None:
            self._sound.copy_until(self._end)
        self.close()

    def close(self) -> None:
        """Let go of the file and of the sound's source. May be called again."""
        if self._sound is not None:
            self._sound.close()
        self._container.close()

    def discard(self) -> None:
        """Like ``close``, for a file that will be thrown away: raises nothing."""
        with suppress(av.error.FFmpegError, OSError, ValueError):
            self.close()

    def _opened(self) -> OutputContainer:
        ticks = self._timeline.time_base.denominator
        exact = ticks * max(1, -(-1000 // ticks)) if ticks <= 1_000_000 else 1000
        options = {"movflags": "+faststart", "movie_timescale": str(exact)}  # a late start is told in these ticks
        return av.open(str(self._path), "w", format="mp4", options=options)

    def _start(self, picture: av.VideoFrame, sound: Sound | None) -> None:
        self._stream = self._video_stream(picture)
        if self._turns:
            self._stream.set_display_rotation(90 * (self._turns % MIRRORED), hflip=self._turns >= MIRRORED)
        if sound is not None:
            sound.attach(self._container)
        self._container.start_encoding()

    def _video_stream(self, picture: av.VideoFrame) -> av.VideoStream:
        options = QUALITY | {"g": str(max(1, round(KEY_SECONDS * self._rate)))}
        stream = self._container.add_stream("libx264", rate=self._rate, options=options)
        stream.width, stream.height = self._size
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = self._timeline.time_base
        context.color_range = LIMITED_RANGE
        context.colorspace = matrix_of(picture)
        if picture.format.is_rgb:
            return stream
        context.color_primaries, context.color_trc = picture.color_primaries, picture.color_trc
        return stream

    def _write(self, packets: "list[av.Packet[Any]]") -> None:
        for packet in packets:
            packet.duration = self._lasts  # only that of the last frame counts
            if self._sound is not None and packet.dts is not None:
                self._sound.copy_until(min(packet.dts * self._timeline.time_base, self._end))
            self._container.mux(packet)


def matrix_of(picture: av.VideoFrame) -> int:
    """The YUV matrix (an AVColorSpace) the picture's planes have, or get when it is made yuv420p."""
    return BT601 if picture.format.is_rgb else int(picture.colorspace)
