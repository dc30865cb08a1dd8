"""The paper's Algorithm 1, with any legal combination of its modules."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from taplab.errors import SettingError
from taplab.modules import rgc, rgfs
from taplab.modules.ffw import Carried
from taplab.policies.base import Answer, Ask, Policy, Steps
from taplab.policies.propagation import FastFeatureWarping, Propagation
from taplab.types import REFERENCES_KEPT, RESIDUAL_BLOCK, THR_RGC, CodedFrame, Region, Residual
from taplab.words import is_number, is_whole, name_list

MODULES = ("ffw", "rgc", "rgfs")
MotionSetting = Literal["auto", "codec", "refined"]
MOTIONS: tuple[MotionSetting, ...] = get_args(MotionSetting)


@dataclass(frozen=True)
class PaperSettings:
    """Parameters of Algorithm 1.

    modules: "ffw" alone or with "rgc", "rgfs" or both. interval: at most so many frames from one key frame to the
    next (the paper's GOP length). alpha: weight of the network's scores in a corrected region (Eq. 6).
    thr_rgc: grey levels above which a pixel of the residual counts (Eq. 3). thr_rgfs: residual above which a frame
    becomes a key frame (Eq. 4), in grey levels per pixel or as the paper's raw "sum".
    region, stride: (rows, columns) in pixels; None scales the paper's 512x512 and 256 of 1024x2048 to the frame.
    edges: contours of labels along the edges of the picture (``taplab.edges``); not in the paper.
    motion: the "codec"'s vectors, or "refined", which searches anew from there on; "auto": refined in the modes offline
    and live where it is fast, nowhere in the paper's.
    """

    modules: tuple[str, ...] = ("ffw",)
    interval: int = 12
    alpha: float = 0.6
    thr_rgc: int = THR_RGC
    thr_rgfs: float = 5.7
    thr_rgfs_unit: rgfs.Unit = "grey"
    region: tuple[int, int] | None = None
    stride: tuple[int, int] | None = None
    edges: bool = False
    motion: MotionSetting = "auto"

    def __post_init__(self) -> None:
        if not isinstance(self.modules, Iterable):
            raise SettingError(f"modules {self.modules!r}: name some of {', '.join(MODULES)}")
        object.__setattr__(self, "modules", name_list(self.modules))
        unknown = [m for m in self.modules if m not in MODULES]
        if unknown:
            raise SettingError(f"module {unknown[0]!r}: choose from {', '.join(MODULES)}")
        if not self.modules:
            raise SettingError(f"modules: name at least ffw, of {', '.join(MODULES)}")
        if "ffw" not in self.modules:
            raise SettingError("modules: rgc and rgfs build on ffw; name it too (ffw,rgc,rgfs)")
        if not is_whole(self.interval) or self.interval < 1:
            raise SettingError(f"interval {self.interval!r}: must be a whole number, at least 1")
        object.__setattr__(self, "interval", int(self.interval))  # also one of numpy's
        if not is_whole(self.thr_rgc) or not 0 <= self.thr_rgc < 255:
            raise SettingError(f"thr_rgc {self.thr_rgc!r}: must be a whole number of grey levels, 0 to 254")
        if not is_number(self.alpha) or not 0 <= self.alpha <= 1:
            raise SettingError(f"alpha {self.alpha!r}: must lie in 0..1")
        if not is_number(self.thr_rgfs) or not math.isfinite(self.thr_rgfs):
            raise SettingError(f"thr_rgfs {self.thr_rgfs!r}: must be a number")
        for name, sides in (("region", self.region), ("stride", self.stride)):
            if sides is not None and not _are_sides(sides):
                raise SettingError(f"{name} {sides!r}: rows and columns must be multiples of {RESIDUAL_BLOCK}")
        if self.motion not in MOTIONS:
            raise SettingError(f"motion {self.motion!r}: choose one of {', '.join(MOTIONS)}")
        if self.thr_rgfs_unit not in ("grey", "sum"):
            raise SettingError(f"thr_rgfs_unit {self.thr_rgfs_unit!r}: choose grey or sum")


def _are_sides(sides: object) -> bool:
    if not isinstance(sides, tuple | list) or len(sides) != 2:
        return False
    return all(is_whole(side) and side >= RESIDUAL_BLOCK and side % RESIDUAL_BLOCK == 0 for side in sides)


class Paper(Policy):
    """FFW, RGC and RGFS as published; B-frames and several references go the same way.

    propagation: what carries scores from frame to frame; FFW, or another to compare it with.
    """

    def __init__(self, settings: PaperSettings, propagation: Propagation | None = None) -> None:
        self.settings = settings
        self.interval, self.modules = settings.interval, settings.modules
        self.uses_residual = "rgc" in settings.modules or "rgfs" in settings.modules
        self.propagation = propagation or FastFeatureWarping()
        self.name = self.propagation.name

    def run(self, frames: Iterable[CodedFrame]) -> Steps:
        """Algorithm 1 on the frames of one lane."""
        known: dict[int, Answer] = {}  # the newest reference frames, by coded index
        start = before = 0  # of the lane, and of the one before it: display positions of their key frames
        for frame in frames:
            if frame.starts_lane:
                start, before = frame.display, start
            # Frames refer to none before their own lane's, so that the number of lanes changes nothing.
            first = start if frame.display >= start else before
            there = {i: a for i, a in known.items() if a.frame.display >= first}
            carried = None if self.is_key(frame) else self.propagation(frame, there)
            if carried is None:
                scores = yield Ask(frame)  # F_t = phi(I_t)
                answer = Answer(frame, Carried(scores), "network")
            elif "rgc" in self.settings.modules and frame.residual is not None:
                region = self._region(frame, frame.residual)
                crop = yield Ask(frame, region)
                size = frame.height, frame.width
                corrected = rgc.blend(carried.scores, crop, region, size, self.settings.alpha)
                answer = Answer(frame, Carried(corrected), "corrected", region)
            else:
                answer = Answer(frame, carried, "warped")
            yield answer
            if frame.is_reference:
                known[frame.index] = answer
                while len(known) > REFERENCES_KEPT:
                    del known[min(known)]

    def is_key(self, frame: CodedFrame) -> bool:
        """I-frames, the first frame of a lane, frames that are hard to warp (RGFS)."""
        if frame.stands_alone or frame.starts_lane:
            return True
        settings = self.settings
        if "rgfs" not in settings.modules or frame.residual is None:
            return False
        return rgfs.is_hard_to_warp(frame.residual, settings.thr_rgfs, settings.thr_rgfs_unit)

    def _region(self, frame: CodedFrame, residual: Residual) -> Region:
        size = (frame.height, frame.width)
        region, stride = rgc.region_and_stride(size, self.settings.region, self.settings.stride)
        return rgc.choose_region(residual, size, region, stride)
