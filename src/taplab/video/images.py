"""A folder of images as a stream of I-frames, with estimated motion."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, cast

import av
import numpy as np
from av.video.frame import PictureType
from PIL import Image, UnidentifiedImageError

from taplab.data.labelled import image_files
from taplab.errors import SourceError
from taplab.timing import Stopwatch
from taplab.types import CodedFrame, Rgb
from taplab.video.assembly import Assembly
from taplab.video.decoder import Picture

_RATE = Fraction(25)


class ImageFolder:
    """The images of a folder in name order, shaped like ``Video``. Raises SourceError if there are none.

    motion, thr_rgc, max_frames, stopwatch: as of ``Video``.
    """

    codec = "images"
    has_vectors = in_coded_order = has_pts = live = False
    reconnects = 0
    broke_off: str | None = None

    def __init__(
        self,
        folder: Path,
        *,
        motion: bool = True,
        thr_rgc: int = 30,
        max_frames: int | None = None,
        stopwatch: Stopwatch | None = None,
    ) -> None:
        self.source, self.stopwatch = str(folder), stopwatch or Stopwatch()
        self.uses_motion, self.thr_rgc, self.max_frames = motion, thr_rgc, max_frames
        self._files = image_files(folder)[:max_frames]
        self.expected_frames = len(self._files)
        self.rate, self.time_base = _RATE, 1 / _RATE
        self.lost = 0
        first = self._load(self._files[0])
        self.height, self.width = first.shape[:2]

    def frames(self) -> Iterator[CodedFrame]:
        """One frame an image. Raises SourceError for a file that is no image."""
        assembly = Assembly(self)
        for i, file in enumerate(self._files):
            with self.stopwatch("decode"):
                picture = av.VideoFrame.from_ndarray(self._load(file), format="rgb24")
            picture.pict_type = PictureType.I
            cast("Any", picture).key_frame = True  # PyAV's stubs do not know that it can be set
            yield from assembly.release([(i, i, Picture(i, i, picture))], set(), given_up_before=0)

    def why_missing(self, index: int) -> Literal["lost"]:
        """Images are numbered as they come: none is."""
        return "lost"

    def several_references(self) -> bool:
        """Only what is coded has any."""
        return False

    def to_rgb(self, picture: av.VideoFrame) -> Rgb:
        """The image as it was read."""
        return cast(Rgb, picture.to_ndarray())

    def close(self) -> None:
        """Nothing is held open."""

    def _load(self, file: Path) -> Rgb:
        try:
            with Image.open(file) as image:
                return np.array(image.convert("RGB"))
        except (UnidentifiedImageError, OSError) as error:
            raise SourceError(f"{file}: cannot be read as an image; remove or replace it") from error
