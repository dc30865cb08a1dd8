"""Post-training quantisation: an exported network in int8, by ONNX Runtime's own tools (extra ``onnx``)."""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taplab.errors import MissingExtraError, SourceError
from taplab.labels import labels_from_scores
from taplab.models.base import Model
from taplab.types import Rgb
from taplab.upright import upright
from taplab.video import Reading, open_video

# By the names of zoo's modules. What sees the picture at 1/8 of its size or finer, on the way down, and what gives the
# scores: with these in int8 too, labels of bl2-camvid on synthetic drives differed on 1.9 % of the pixels instead of
# 0.4 %, where bfloat16 has 0.3 %. The pyramid: what it pools depends on the size; at a quarter of the size of
# ``inputs`` 6.5 % differed instead of 1.8 %.
_IN_FLOAT = ("stem/", "stage1/", "stage2/", "stages.0/", "stages.1/", "shallow/", "pyramid/", "classifier/")
# Not the products with the matrices of pyramid pooling, which are made from the size.
_IN_INT8 = ("Conv", "Relu", "Add", "Concat", "Resize", "MaxPool")
_FRAMES = 16  # looked at
_SPAN = 480  # the first frames of the video, from which they are taken
_BLIND_STEP = 8  # frames between them where the length is not known


def quantise(file: Path, inputs: Iterable[NDArray[np.float32]]) -> None:
    """Makes the ONNX network in ``file`` one of int8. inputs: normalised pictures, ``[1, 3, H, W]`` of any size.

    Convolutions have one scale for each channel of their weights; scale and zero point of what goes between layers come
    from the least and the greatest value that ``inputs`` cause there. Weights have seven bits: processors without int8
    dot products add two products in 16 bits, which eight would overflow. Raises MissingExtraError.
    """
    try:
        import onnx
        from onnxruntime import quantization
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError as error:
        raise MissingExtraError(f"{file.name}: int8 needs ONNX Runtime: pip install 'taplab[onnx]'") from error
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        prepared = Path(folder) / file.name
        quant_pre_process(file, prepared, skip_symbolic_shape=True)
        nodes = [node.name for node in onnx.load(prepared).graph.node]
        quantization.quantize_static(
            prepared,
            file,
            _Reader(inputs),
            op_types_to_quantize=[*_IN_INT8],
            per_channel=True,
            reduce_range=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            nodes_to_exclude=[name for name in nodes if name.removeprefix("/").startswith(_IN_FLOAT)],
        )


class _Reader:
    """What ONNX Runtime calls a CalibrationDataReader."""

    def __init__(self, inputs: Iterable[NDArray[np.float32]]) -> None:
        self._inputs = iter(inputs)

    def get_next(self) -> dict[str, Any] | None:
        """The next input by name; None at the end."""
        found = next(self._inputs, None)
        return None if found is None else {"image": found}


def pictures_of(source: str | Path) -> tuple[list[Rgb], list[Rgb]]:
    """Upright frames from the beginning of a video or folder of images: to calibrate with, and others to check with.

    There are none of the latter where there are fewer than four frames. Raises SourceError.
    """
    with closing(open_video(source, Reading(motion=False, max_frames=_SPAN))) as video:
        length = video.expected_frames
        step = max(length // _FRAMES, 1) if length else _BLIND_STEP
        frames = (frame for frame in islice(video.frames(), 0, None, step) if not frame.damaged)
        pictures = [np.ascontiguousarray(upright(frame.rgb(), frame.turns)) for frame in islice(frames, _FRAMES)]
    if not pictures:
        raise SourceError(f"{source}: holds no frame without damage; give another video")
    return [picture for k, picture in enumerate(pictures) if k % 4 != 3], pictures[3::4]


def agreement(model: Model, other: Model, pictures: Sequence[Rgb]) -> float:
    """Share of the pixels that both give the same label."""
    same = [
        float(np.mean(one == two)) for one, two in zip(_labels(model, pictures), _labels(other, pictures), strict=True)
    ]
    return float(np.mean(same))


def _labels(model: Model, pictures: Sequence[Rgb]) -> Iterator[NDArray[np.uint8]]:
    for picture in pictures:
        yield labels_from_scores(model(picture[None])[0], picture.shape[:2])
