"""A folder of images as a stream of I-frames, with estimated motion."""

from collections.abc import Collection, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, cast

import av
from av.video.frame import PictureType

from taplab.data.images import image_files, read_rgb
from taplab.errors import SourceError
from taplab.timing import Stopwatch
from taplab.types import CodedFrame, Rgb
from taplab.video.assembly import Assembly
from taplab.video.picture import Picture
from taplab.video.reading import AS_USUAL, Reading

_RATE = Fraction(25)


class ImageFolder:
    """The images of a folder in name order, shaped like ``Video``. Raises SourceError if none can be read.

    An image that cannot be read is lost, as a frame that does not decode; its number (``skipped``) is left out, so that
    the others keep theirs.
    """

    codec = "images"
    has_vectors = in_coded_order = live = False
    reconnects = 0
    notes: Collection[str] = ()

    def __init__(
        self,
        folder: Path,
        reading: Reading = AS_USUAL,
        *,
        stopwatch: Stopwatch | None = None,
    ) -> None:
        self.source, self.reading, self.stopwatch = str(folder), reading, stopwatch or Stopwatch()
        self._files = image_files(folder)[: reading.max_frames]
        self.expected_frames = len(self._files)
        self.rate, self.time_base = _RATE, 1 / _RATE
        self.skipped: set[int] = set()  # display positions
        self.height, self.width = self._first_size()

    def _first_size(self) -> tuple[int, int]:
        """Rows and columns of the first image that can be read."""
        for i in range(len(self._files)):
            image = self._load(i)
            if image is not None:
                return image.shape[0], image.shape[1]
        raise SourceError(f"{self.source}: {self.broke_off}; replace them")

    @property
    def lost(self) -> int:
        """Images that could not be read."""
        return len(self.skipped)

    @property
    def broke_off(self) -> str | None:
        """Which images could not be read, if any."""
        if not self.skipped:
            return None
        name, more = self._files[min(self.skipped)].name, len(self.skipped) - 1
        return f"{name}{f' and {more} more' if more else ''} cannot be read as an image"

    def frames(self) -> Iterator[CodedFrame]:
        """One frame an image."""
        assembly, index = Assembly(self), 0
        for i in range(len(self._files)):
            with self.stopwatch("decode"):
                image = self._load(i)
                if image is None:
                    continue
                picture = av.VideoFrame.from_ndarray(image, format="rgb24")
            picture.pict_type = PictureType.I
            cast("Any", picture).key_frame = True  # PyAV's stubs do not know that it can be set
            yield from assembly.release([(index, i, Picture(index, i, picture, i))], set(), given_up_before=0)
            index += 1

    def why_missing(self, index: int) -> Literal["lost"]:
        """Images are numbered as they come: none is."""
        return "lost"

    def several_references(self) -> bool:
        """Only what is coded has any."""
        return False

    def cut_off(self, frame: av.VideoFrame) -> tuple[int, int]:
        """There is no more of them than can be seen."""
        return 0, 0

    def to_rgb(self, picture: av.VideoFrame) -> Rgb:
        """The image as it was read."""
        return cast(Rgb, picture.to_ndarray())

    def close(self) -> None:
        """Nothing is held open."""

    def _load(self, i: int) -> Rgb | None:
        try:
            return read_rgb(self._files[i], upright=True)
        except SourceError:
            self.skipped.add(i)
            return None
