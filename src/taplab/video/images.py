"""A folder of images as a stream: every image its own key frame, until motion is estimated."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from PIL import Image, UnidentifiedImageError

from taplab.data.labelled import image_files
from taplab.errors import SourceError
from taplab.timing import Stopwatch
from taplab.types import CodedFrame, Plane, Rgb
from taplab.video.cuts import is_new_scene
from taplab.video.planes import luma_plane

_RATE = Fraction(25)


class ImageFolder:
    """The images of a folder in name order, shaped like ``Video``. Raises SourceError if there are none."""

    codec = "images"
    has_vectors = live = False
    reconnects = 0
    broke_off: str | None = None

    def __init__(self, folder: Path, *, max_frames: int | None = None, stopwatch: Stopwatch | None = None) -> None:
        self.source, self.stopwatch = str(folder), stopwatch or Stopwatch()
        self._files = image_files(folder)[:max_frames]
        self.expected_frames = len(self._files)
        self.rate, self.time_base = _RATE, 1 / _RATE
        self.lost = 0
        first = self._load(self._files[0])
        self.height, self.width = first.shape[:2]

    def frames(self) -> Iterator[CodedFrame]:
        """One frame an image. Raises SourceError for a file that is no image."""
        scene = 0
        before: Plane | None = None
        for i, file in enumerate(self._files):
            with self.stopwatch("decode"):
                picture = av.VideoFrame.from_ndarray(self._load(file), format="rgb24")
            luma = luma_plane(picture)
            scene += before is not None and is_new_scene(luma, before)
            before = luma
            yield CodedFrame(
                index=i,
                display=i,
                pts=i,
                time_base=self.time_base,
                kind="I",
                width=picture.width,
                height=picture.height,
                damaged=False,
                motion=None,
                picture=picture,
                convert=_to_rgb,
                scene=scene,
            )

    def close(self) -> None:
        """Nothing is held open."""

    def _load(self, file: Path) -> Rgb:
        try:
            with Image.open(file) as image:
                return np.array(image.convert("RGB"))
        except (UnidentifiedImageError, OSError) as error:
            raise SourceError(f"{file}: cannot be read as an image; remove or replace it") from error


def _to_rgb(picture: av.VideoFrame) -> Rgb:
    return cast(Rgb, picture.to_ndarray())
