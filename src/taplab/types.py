"""The values that travel through the house: motion, residual, coded frames, results."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from taplab.upright import upright

if TYPE_CHECKING:
    import av

Rgb = NDArray[np.uint8]  # [H, W, 3]
Plane = NDArray[np.uint8]  # [H, W], read-only where it belongs to a decoder
Labels = NDArray[np.uint8]  # [H, W] class ids
Palette = Sequence[tuple[int, int, int]]  # RGB of each class

IGNORE = 255  # label of pixels that belong to no class
MOTION_BLOCK = 8  # pixels: the smallest block for which FFmpeg exports a vector
RESIDUAL_BLOCK = 16  # pixels: one macroblock
THR_RGC = 30  # grey levels: a pixel of the residual counts above them, where nothing else is asked for (Eq. 3)
REFERENCES_KEPT = 5  # newest reference frames that are kept to predict others from

Kind = Literal["I", "P", "B"]
MotionOrigin = Literal["codec", "refined", "estimated"]
Refine = Literal["never", "fast", "always"]  # the codec's motion, see ``video.open_video``
Origin = Literal["network", "warped", "corrected", "fused", "followed"]


@dataclass(frozen=True)
class Region:
    """A rectangle of a frame, in pixels."""

    top: int
    left: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns, to index an array ``[H, W, ...]``."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)


@dataclass(frozen=True)
class MotionField:
    """Where each 8x8 block comes from in *one* reference frame.

    vectors: float32 ``[rows, cols, 2]``, (dx, dy) in pixels from this frame to the reference; the paper's
        ``Mv`` is its negative. Blocks without a vector hold that of the nearest block that has one.
    weight: float32 ``[rows, cols]``, the share of this reference in the block's prediction; the weights of
        all fields of a frame add up to 1 in every block.
    reference: coded index of the reference frame.
    """

    reference: int
    vectors: NDArray[np.float32]
    weight: NDArray[np.float32]


def shared_out(fields: Sequence[MotionField]) -> tuple[list[MotionField], NDArray[np.float32]]:
    """What is left of a motion's fields, with weights that add up to 1 again; equal ones where nothing is left.

    Also what they added up to, float32 ``[rows, cols]``. There is one field at least.
    """
    left: NDArray[np.float32] = np.sum([field.weight for field in fields], axis=0)
    known = left > 0
    whole = np.where(known, left, 1)
    shares = [np.where(known, field.weight / whole, 1 / len(fields)).astype(np.float32) for field in fields]
    return [replace(field, weight=share) for field, share in zip(fields, shares, strict=True)], left


@dataclass(frozen=True)
class Motion:
    """How a frame moved: one field for each reference frame. No block comes from more than two.

    coded: bool ``[rows, cols]``, blocks for which the stream holds a vector (the others are intra-coded), or that the
        estimated motion explains.
    origin: the codec's own; "refined", searched again from there (``video.around.refined``); or estimated without it.
    """

    fields: tuple[MotionField, ...]
    coded: NDArray[np.bool_]
    origin: MotionOrigin = "codec"


@dataclass(frozen=True)
class Residual:
    """What motion failed to explain: frame minus motion-compensated reference, summed per 16x16 block of luma.

    sums: int32 ``[rows, cols]``, sum of \\|Res\\| in grey levels.
    counts: int32 ``[rows, cols]``, pixels with \\|Res\\| above ``THR_RGC``.
    pixels: luma pixels of the frame.
    """

    sums: NDArray[np.int32]
    counts: NDArray[np.int32]
    pixels: int

    @property
    def score(self) -> float:
        """Mean \\|Res\\| in grey levels per pixel: Eq. 4 divided by the number of pixels."""
        return float(self.sums.sum(dtype=np.int64)) / self.pixels


@dataclass(eq=False)
class CodedFrame:
    """One frame of a stream, in coded order. Pixels are converted only when asked for.

    index: position in coded order; display: position in display order, counted over the frames that decode.
    pts: presentation time in units of ``time_base``, or None where the stream has none.
    damaged: decoded from a stream that lost something since the last key frame: nothing is warped into it.
    motion: None where the stream gives no usable vectors.
    scene: frames of one number show one scene; another begins at a cut, after damage and at a change of size.
    """

    index: int
    display: int
    pts: int | None
    time_base: Fraction
    kind: Kind
    width: int
    height: int
    damaged: bool
    motion: Motion | None
    picture: "av.VideoFrame" = field(repr=False)
    convert: Callable[["av.VideoFrame"], Rgb] = field(repr=False)
    measure: Callable[[], Residual] | None = field(default=None, repr=False)
    scene: int = 0
    is_reference: bool = True  # other frames may be predicted from it
    turns: int = 0  # what makes the picture upright, see ``upright``
    beyond: bool = False  # not to be shown, as after ``max_frames``: here only because earlier frames need it
    elsewhere: bool = False  # such a one, a key frame: another process goes on with it
    starts_lane: bool = False  # first frame of a lane: always seen by the network
    shared: bool = False  # asked for by two lanes: its own, and the one whose last B-frames need it
    seen: float = 0.0  # its network cost: share of its pixels given to the network; a glance counts its own cost
    colours: Any = field(default=None, repr=False)  # see ``colours`` in ``scoremap.cells`` and ``scoremap.on_device``
    known: Any = field(default=None, repr=False)  # of a shared frame: what one of the two lanes tells the other

    @property
    def stands_alone(self) -> bool:
        """An I-frame, unless motion was estimated for it (``policies.bridge``)."""
        return self.kind == "I" and (self.motion is None or self.motion.origin != "estimated")

    @cached_property
    def residual(self) -> Residual | None:
        """Measured at the first look; None without motion."""
        measure, self.measure = self.measure, None  # lets go of the reference's planes
        return measure() if measure is not None else None

    def rgb(self, region: Region | None = None) -> Rgb:
        """uint8 ``[H, W, 3]`` of the whole frame or of a region."""
        whole = self._rgb
        return whole if region is None else whole[region.slices]

    @cached_property
    def _rgb(self) -> Rgb:
        return self.convert(self.picture)


@dataclass(frozen=True)
class Result:
    """The segmentation of one frame.

    index: position in display order. labels: uint8 ``[H, W]`` class ids, of the pixels as they are coded.
    pts_seconds: presentation time in seconds, or None where the stream has none.
    origin: how the labels came about. key: the network saw the whole frame. damaged: do not trust this one.
    region: the part that RGC corrected, if any; of a key frame, one that was tried. residual: grey levels per pixel, if
    it was measured. scores: float16 ``[C, h, w]``, of which the labels are made, if they were asked for: probabilities
    in the modes offline and live, else as the network gives them.
    """

    index: int
    labels: Labels
    pts_seconds: float | None
    kind: Kind
    origin: Origin
    key: bool
    damaged: bool
    region: Region | None
    residual: float | None
    frame: CodedFrame = field(repr=False)
    scores: NDArray[np.float16] | None = field(default=None, repr=False)

    @property
    def upright(self) -> Labels:
        """The labels as they are looked at, turned as the video asks players to turn its pictures."""
        return upright(self.labels, self.frame.turns)

    def rgb(self) -> Rgb:
        """The frame's picture, uint8 ``[H, W, 3]``, to lie under ``labels``."""
        return self.frame.rgb()

    def upright_rgb(self) -> Rgb:
        """The same to lie under ``upright``."""
        return upright(self.frame.rgb(), self.frame.turns)
