from collections.abc import Callable
from fractions import Fraction

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from taplab.types import CodedFrame, Labels, Region, Result


@pytest.fixture
def result_of() -> Callable[..., Result]:
    """Wraps a picture and its labels the way the segmenter does."""

    def make(
        index: int,
        picture: av.VideoFrame,
        labels: Labels,
        *,
        pts: int | None = None,
        time_base: Fraction = Fraction(1, 25),
        damaged: bool = False,
        origin: str = "warped",
        key: bool = False,
        region: Region | None = None,
        scores: NDArray[np.float16] | None = None,
    ) -> Result:
        frame = CodedFrame(
            index=index,
            display=index,
            pts=pts,
            time_base=time_base,
            kind="P",
            width=picture.width,
            height=picture.height,
            damaged=damaged,
            motion=None,
            picture=picture,
            convert=lambda it: it.to_ndarray(format="rgb24"),
        )
        seconds = None if pts is None else float(pts * time_base)
        return Result(index, labels, seconds, "P", origin, key, damaged, region, None, frame, scores)

    return make


@pytest.fixture
def grey() -> Callable[..., av.VideoFrame]:
    """A picture of one grey level, RGB unless another format is asked for."""

    def make(width: int, height: int, level: int = 128, format: str = "rgb24", **options: object) -> av.VideoFrame:
        picture = av.VideoFrame.from_ndarray(np.full((height, width, 3), level, np.uint8), format="rgb24")
        return picture if format == "rgb24" else picture.reformat(format=format, **options)

    return make
