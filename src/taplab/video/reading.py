"""How a source is read."""

from dataclasses import dataclass
from typing import get_args

from taplab.errors import SettingError
from taplab.types import THR_RGC, Refine
from taplab.words import is_number, is_whole

TIMEOUT = 20.0  # seconds without an answer after which a stream counts as dead
RECONNECT = 30.0  # seconds to go on trying where a live source is lost


@dataclass(frozen=True)
class Reading:
    """How a source is read.

    motion: attach motion and residual, the codec's or estimated. refine: search anew from the codec's vectors on,
    "never", where they are "fast", or "always". thr_rgc: grey levels above which a pixel of the residual counts.
    max_frames: stop after so many. timeout: seconds that a URL or playlist may keep silent. reconnect: seconds to go on
    trying where a live source is lost, 0 for none.

    Raises SettingError for a timeout that is not positive, a negative ``reconnect``, ``max_frames`` that is no whole
    number from 1 on, ``thr_rgc`` that is none from 0 to 254, or another ``refine``.
    """

    motion: bool = True
    refine: Refine = "never"
    thr_rgc: int = THR_RGC
    max_frames: int | None = None
    timeout: float = TIMEOUT
    reconnect: float = RECONNECT

    def __post_init__(self) -> None:
        if self.max_frames is not None and not (is_whole(self.max_frames) and self.max_frames >= 1):
            raise SettingError(f"max_frames {self.max_frames!r}: must be a whole number, at least 1")
        if not is_number(self.timeout) or not self.timeout > 0:
            raise SettingError(f"timeout {self.timeout!r}: must be a number of seconds above 0")
        if not is_number(self.reconnect) or not self.reconnect >= 0:
            raise SettingError(f"reconnect {self.reconnect!r}: must be a number of seconds, 0 or more")
        if not is_whole(self.thr_rgc) or not 0 <= self.thr_rgc < 255:
            raise SettingError(f"thr_rgc {self.thr_rgc!r}: must be a whole number of grey levels, 0 to 254")
        if self.refine not in get_args(Refine):
            raise SettingError(f"refine {self.refine!r}: choose one of {', '.join(get_args(Refine))}")


AS_USUAL = Reading()
