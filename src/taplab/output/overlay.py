"""The overlay: the source with its segmentation laid over it, as an mp4 that plays everywhere."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import av.error
import numpy as np

from taplab.errors import SettingError
from taplab.files import MAKE_ROOM, unwritable
from taplab.output.backlog import Backlog, Writer
from taplab.output.blend import add_border, blend_table, blended
from taplab.output.mp4 import Mp4, matrix_of
from taplab.output.timeline import Timeline
from taplab.types import Labels, Palette, Result
from taplab.video.convert import converted, is_full_range

MOST_WAITING = 4  # frames in memory, besides those the encoder looks ahead at
DEFAULT_RATE = Fraction(25)
SMALLEST = 2  # rows, columns: colours are halved
BLENDABLE = ("yuv420p", "yuvj420p")


class OverlayWriter(Writer):
    """Writes ``path``: H.264, yuv420p, index at the front, the source's timestamps, and its sound where it fits.

    width, height: of the source; an odd size loses its last column or row, frames of another size are scaled.
    time_base: of the source's timestamps. rate: its mean frame rate, if known. alpha: weight of the class colours.
    turns: what makes the source upright (``taplab.upright``), left to the players. audio_from: the file to copy sound
    from.
    notes: one line for each thing that was left out or changed, complete after ``close``.

    Pixels labelled IGNORE stay as they are; damaged frames get a red border. Frames are encoded on a background
    thread: an error there is raised by the next ``write`` or by ``close``. Until ``close`` succeeds there is only
    ``path`` + ".part"; ``abort``, or leaving the ``with`` block by an exception, removes that.

    Raises SettingError for a size or alpha that cannot be, OutputError if the file cannot be written.
    """

    def __init__(
        self,
        path: Path | str,
        width: int,
        height: int,
        palette: Palette,
        *,
        time_base: Fraction,
        rate: Fraction | None = None,
        alpha: float = 0.5,
        turns: int = 0,
        audio_from: str | None = None,
    ) -> None:
        _check(width, height, alpha)
        self.path = Path(path)
        self.notes: list[str] = []
        self._part = self.path.with_name(self.path.name + ".part")
        self._size = width, height
        self._palette = tuple((int(red), int(green), int(blue)) for red, green, blue in palette)
        self._alpha = alpha
        self._audio_from = audio_from
        self._timeline = Timeline(time_base, rate or DEFAULT_RATE)
        self._matrix: int | None = None  # of the first picture; None until it has come
        self._closed = False
        with self._failures():
            self._part.touch()  # FFmpeg opens it with the first frame only
            even = (width // 2 * 2, height // 2 * 2)
            self._file = Mp4(self._part, even, self._timeline, rate or DEFAULT_RATE, turns, self.notes)
        self._backlog = Backlog("overlay", 1, MOST_WAITING)

    @property
    def waited(self) -> float:
        """Seconds the caller was held up by frames that were not encoded yet."""
        return self._backlog.waited

    def write(self, result: Result) -> None:
        """Queue one frame; frames come in display order. Its labels must not change afterwards."""
        frame = result.frame
        self._backlog.add(
            self._encode, frame.picture, result.labels, result.damaged, frame.pts, frame.time_base, result.index
        )

    def close(self) -> None:
        """Finish the file and give it its name. Without a single frame there is no file, only a note."""
        if self._closed:
            return
        try:
            self._backlog.finish()
            if self._matrix is None:
                self.notes.append(f"no frame came, so there is no {self.path}")
            else:
                with self._failures():
                    self._file.finish()
                    os.replace(self._part, self.path)
        finally:
            self.abort()

    def abort(self) -> None:
        """Stop and remove the unfinished file. Does nothing after ``close``."""
        if self._closed:
            return
        self._closed = True
        self._backlog.stop()
        self._file.discard()
        self._part.unlink(missing_ok=True)

    def _encode(
        self,
        picture: av.VideoFrame,
        labels: Labels,
        damaged: bool,
        pts: int | None,
        time_base: Fraction,
        index: int,
    ) -> None:
        with self._failures():
            place = self._timeline.place(pts, time_base, index)
            if self._matrix is None:
                self._begin(picture, place)
            matrix = self._matrix or 0
            source, labels = fitted(picture, labels, *self._size)
            table = blend_table(self._palette, self._alpha, matrix, is_full_range(source))
            result = blended(source, labels, table)
            if damaged:
                add_border(result, matrix)
            self._file.add(result, place, self._timeline.lasting(picture.duration * time_base))

    def _begin(self, picture: av.VideoFrame, place: int) -> None:
        shift = self._timeline.shift
        if shift:
            self.notes.append(f"the source's timestamps begin at {float(-shift):.3f} s; the overlay's begin at zero")
        self._file.begin(picture, place * self._timeline.time_base - shift, self._audio_from)
        self._matrix = matrix_of(picture)

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except (OSError, av.error.FFmpegError, ValueError) as error:
            raise unwritable(self.path, error, MAKE_ROOM) from error


def fitted(picture: av.VideoFrame, labels: Labels, width: int, height: int) -> tuple[av.VideoFrame, Labels]:
    """The picture as 8-bit YUV 4:2:0 and its labels, both of one size; labels are scaled to the nearest."""
    same_size = (picture.width, picture.height) == (width, height)
    if not same_size or picture.format.name not in BLENDABLE:
        picture = converted(picture, "yuv420p", width, height)
    if labels.shape != (height, width):
        rows, columns = np.arange(height) * labels.shape[0] // height, np.arange(width) * labels.shape[1] // width
        labels = labels[rows[:, None], columns]
    return picture, labels


def _check(width: int, height: int, alpha: float) -> None:
    if width < SMALLEST or height < SMALLEST:
        raise SettingError(f"a video of {width}x{height} cannot be encoded; the smallest is {SMALLEST}x{SMALLEST}")
    if not 0 <= alpha <= 1:
        raise SettingError(f"alpha {alpha}: give a value from 0 (source only) to 1 (class colours only)")
