"""ITP, the paper's simplest comparator (Table 3): no motion at all, only interpolation between key frames."""

from collections.abc import Iterable

import torch
from torch import Tensor

from taplab.errors import SettingError
from taplab.modules.ffw import Carried
from taplab.policies.base import Answer, Ask, Policy, Steps
from taplab.policies.paper import Paper, PaperSettings
from taplab.types import CodedFrame


class Interpolation(Policy):
    """Scores of the two key frames around a frame, mixed by distance in display order; after the last, its scores."""

    name = "itp"
    looks_ahead = True

    def __init__(self, settings: PaperSettings) -> None:
        if "rgc" in settings.modules:
            raise SettingError("mode itp has no rgc: leave it out of the modules, or use mode paper")
        self.interval = settings.interval
        self.modules = tuple(m for m in settings.modules if m == "rgfs")  # it chooses key frames here, too
        self.uses_residual = "rgfs" in settings.modules
        self._keys = Paper(settings)

    def run(self, frames: Iterable[CodedFrame]) -> Steps:
        """A lane: its key frame, the frames after it and, if the stream goes on, the next lane's key frame."""
        lane = list(frames)
        scores: dict[int, Tensor] = {}  # of the key frames, by display position
        scenes: dict[int, int] = {}  # likewise
        for frame in lane:
            if frame.damaged or self._keys.is_key(frame) or frame.scene not in scenes.values():
                scenes[frame.display] = frame.scene
                scores[frame.display] = yield Ask(frame)
        broken = {frame.display for frame in lane if frame.damaged}
        sound = [key for key in scores if key not in broken] or list(scores)
        for frame in lane:
            at = frame.display
            near = [key for key in sound if scenes[key] == frame.scene] or sound
            earlier, later = [key for key in near if key <= at], [key for key in near if key >= at]
            before = max(earlier) if earlier else min(later)
            after = min(later) if later else before
            if at in scores:
                yield Answer(frame, Carried(scores[at]), "network")
            elif after == before or scores[after].shape != scores[before].shape:
                yield Answer(frame, Carried(scores[before]), "warped")
            else:
                share = (at - before) / (after - before)
                yield Answer(frame, Carried(torch.lerp(scores[before], scores[after], share)), "fused")
