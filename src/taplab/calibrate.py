"""Chooses ``THR_RGFS`` on training clips: a given share of the frames that would be warped become key frames.

The paper's threshold makes about 10 % of the P-frames of its training set key frames (Sec. 3.4). It belongs to one
encode; the share carries over.
"""

import tempfile
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from taplab.data.images import image_files, image_size, require_size, require_whole
from taplab.errors import SettingError, SourceError
from taplab.lanes import mark_keys
from taplab.modules.rgfs import residual_score
from taplab.policies import Paper, PaperSettings
from taplab.types import Rgb
from taplab.video import ImageFolder, Reading, open_video
from taplab.video.encode import encode_clip
from taplab.video.refused import no_frame

PAPER_THRESHOLDS = {"Cityscapes": 5.7, "CamVid": 8.7}  # 3.6e7 at 1024x2048 and 1.8e7 at 720x960, per channel and pixel
_UNLIKE = 7.0  # median score; consecutive frames of real drives score half of it, single pictures twice


@dataclass(frozen=True)
class FolderEncoding:
    """How a folder of images becomes a clip; see ``encode_clip``."""

    codec: str = "mpeg4"
    gop: int = 12
    quality: float | None = None
    fps: float = 17.0


@dataclass(frozen=True, eq=False)
class ClipScores:
    """What RGFS would see of one clip.

    scores: float64 ``[N]``, Eq. 4 in grey levels per pixel of luma, of every frame that would be warped.
    keys: I-frames among others, and frames at which the interval ends: key frames whatever the threshold.
    unmeasured: frames without motion (damage, unusable vectors, cuts), which the network sees too. cuts: those of them
        that begin a scene.
    images: the clip was encoded from a folder of them. broke_off: what of it could not be read, if anything.
    """

    source: str
    codec: str
    width: int
    height: int
    keys: int
    unmeasured: int
    scores: NDArray[np.float64]
    images: bool = False
    cuts: int = 0
    broke_off: str | None = None

    @property
    def frames(self) -> int:
        """All of them."""
        return self.keys + self.unmeasured + len(self.scores)

    @property
    def unlike(self) -> bool:
        """Do its frames hardly resemble each other, as single pictures do?"""
        scores = np.append(self.scores, np.full(self.cuts, np.inf))
        return len(scores) > 0 and float(np.median(scores)) > _UNLIKE


class Curve:
    """Share of frames against threshold, exact for the measured frames of all clips together.

    scores: float64 ``[N]``, ascending. Raises SourceError if no clip has any.
    """

    def __init__(self, clips: Sequence[ClipScores]) -> None:
        self.scores = np.sort(np.concatenate([np.zeros(0), *(clip.scores for clip in clips)]))
        if not len(self.scores):
            what = "; ".join(f"{clip.source} ({clip.codec}, {clip.frames} frames)" for clip in clips)
            raise SourceError(
                f"{what}: no frame could be warped, so there is nothing to choose; give clips of several frames"
            )

    def share(self, threshold: float) -> float:
        """Of the frames, that with a score above the threshold."""
        above = len(self.scores) - int(np.searchsorted(self.scores, threshold, side="right"))
        return above / len(self.scores)

    def threshold(self, share: float) -> float:
        """A threshold that makes the largest share of the frames key frames that is not above the asked one.

        Frames of equal score go together. Of all such thresholds it is the lowest, rounded up as far as the share
        allows, to two decimal places at least. Raises SettingError for a share outside 0..1.
        """
        check_share(share)
        count = len(self.scores)
        allowed = int(share * count) + 1
        while allowed / count > share:
            allowed -= 1
        lowest = float(self.scores[count - 1 - allowed])
        higher = self.scores[np.searchsorted(self.scores, lowest, side="right") :]
        return _rounded(lowest, float(higher[0]) if len(higher) else float("inf"))


def check_share(share: float) -> None:
    """Raises SettingError unless 0 < share < 1."""
    if not 0 < share < 1:
        raise SettingError(f"share {share:g}: must lie between 0 and 1; 0.1 stands for 10 %")


def _rounded(lowest: float, below: float) -> float:
    """The shortest decimal number in [lowest, below) with two decimal places or more."""
    for digits in range(2, 17):
        rounded = float(Decimal(lowest).quantize(Decimal(10) ** -digits, ROUND_CEILING))
        if lowest <= rounded < below:
            return rounded
    return lowest


def check_source(source: str | Path, encoding: FolderEncoding, max_frames: int | None = None) -> int | None:
    """Opens a clip or looks through a folder of images; how many steps ``measure`` will take, where that is known.

    Raises SourceError for what cannot be read, a folder of fewer than two images that can be, or of images of unequal
    size, and SettingError for what the encoder refuses.
    """
    if not Path(source).is_dir():
        with closing(open_video(source, Reading(max_frames=max_frames))) as video:
            return video.expected_frames
    files = list(filter(_is_readable, image_files(Path(source))[:max_frames]))
    if len(files) < 2:
        what = "one image is no clip" if files else "none of its images can be read"
        raise SourceError(f"{source}: {what}; give a folder of consecutive frames")
    first = image_size(files[0])
    for file in files:
        require_size(file, image_size(file), files[0], first)
    with tempfile.TemporaryDirectory() as scratch:
        try:
            encode_folder(
                ImageFolder(Path(source), Reading(max_frames=max_frames)), Path(scratch) / "try.mkv", encoding, most=2
            )
        except SettingError as error:
            raise SettingError(f"{source}: {error}") from error
    return 2 * len(files)


def _is_readable(file: Path) -> bool:
    """``ImageFolder`` passes over those that are not."""
    try:
        image_size(file)
        require_whole(file)
    except SourceError:
        return False
    return True


def measure(
    source: str | Path,
    *,
    encoding: FolderEncoding | None = None,
    interval: int = 12,
    max_frames: int | None = None,
    on_frame: Callable[[str], None] = lambda stage: None,
) -> ClipScores:
    """The scores of a clip: a video file or URL, or a folder of images, which is encoded first.

    interval: at most so many frames between key frames, as for ``segment``. on_frame: called for every frame with
    "encode" or "measure". One frame is in memory at a time. Raises SourceError, SettingError.
    """
    if not Path(source).is_dir():
        return _measure(source, str(source), interval, max_frames, on_frame)
    with tempfile.TemporaryDirectory() as scratch:
        images = ImageFolder(Path(source), Reading(max_frames=max_frames))
        clip = encode_folder(images, Path(scratch) / "clip.mkv", encoding or FolderEncoding(), on_frame)
        scores = _measure(clip, str(source), interval, None, on_frame)
        return replace(scores, images=True, broke_off=images.broke_off)


def encode_folder(
    images: ImageFolder,
    clip: Path,
    encoding: FolderEncoding,
    on_frame: Callable[[str], None] = lambda _: None,
    most: int | None = None,
) -> Path:
    """Makes a clip of consecutive frames, the first ``most`` that can be read. Raises SettingError."""

    def frames() -> Iterator[Rgb]:
        for frame in islice(images.frames(), most):
            on_frame("encode")
            yield frame.rgb()

    return encode_clip(
        clip, frames(), codec=encoding.codec, gop=encoding.gop, quality=encoding.quality, fps=encoding.fps
    )


def _measure(
    clip: str | Path,
    name: str,
    interval: int,
    max_frames: int | None,
    on_frame: Callable[[str], None],
) -> ClipScores:
    plain = Paper(PaperSettings(modules=("ffw",), interval=interval))  # knows the key frames that RGFS adds to
    scores, keys, unmeasured, cuts, scene = array("d"), 0, 0, 0, 0
    with closing(open_video(clip, Reading(max_frames=max_frames))) as video:
        for frame in mark_keys(video.frames(), interval):
            if frame.beyond:
                continue
            if plain.is_key(frame):
                keys += 1
            elif frame.residual is None:
                unmeasured += 1
                cuts += not frame.damaged and frame.scene != scene
            else:
                scores.append(residual_score(frame.residual))
            scene = frame.scene
            on_frame("measure")
    if not keys + unmeasured + len(scores):
        raise no_frame(name, video.broke_off)
    found = np.array(scores)
    return ClipScores(
        name, video.codec, video.width, video.height, keys, unmeasured, found, cuts=cuts, broke_off=video.broke_off
    )
