"""Which frames are encoded, where the key frames stand and which frames are scored: the paper's protocol (Sec. 5)."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from taplab.data.clips import ClipSet, LabelledClip


@dataclass(frozen=True)
class Encoding:
    """How clips are made of the frames, by the real encoder; quality as in ``video.encode``.

    b_frames: at most so many in a row.
    """

    codec: str = "mpeg4"
    gop: int = 12
    quality: float | None = None
    b_frames: int = 0


@dataclass(frozen=True)
class Draw:
    """Where key frames stand: the distance from key to labelled frame is uniform over 0 .. gop - 1 (0 included).

    phases: so many positions of the key frames for each clip, evenly spread; with as many as the GOP is long every
    distance counts once. seed: of the first position. Without it single labelled frames are drawn with seed 0, and
    clips that are labelled throughout begin with a whole GOP.
    """

    phases: int = 1
    seed: int | None = None

    def shifts(self, name: str, gop: int, *, drawn: bool) -> list[int]:
        """Frames by which the key frames come earlier, one a phase."""
        phases = min(self.phases, gop)
        drawn = (drawn or self.seed is not None) and phases < gop
        start = random.Random(f"{self.seed or 0} {name}").randrange(gop) if drawn else 0
        return [(start + k * gop // phases) % gop for k in range(phases)]


@dataclass(frozen=True)
class Trial:
    """One clip to be encoded and segmented.

    first, last: the frames of ``clip`` in it, last excluded. first_gop: length of the first group of pictures.
    scored: positions in the trial that are compared with truth. counted: the frames that count for the cost, whole
    groups of pictures; whole: it is that. throughout: labelled as good as everywhere, so every frame is of interest.
    phase: which of the draw's positions.
    """

    clip: LabelledClip
    first: int
    last: int
    first_gop: int
    scored: tuple[int, ...]
    counted: range
    whole: bool
    throughout: bool
    phase: int

    @property
    def name(self) -> str:
        """Fit for a file name."""
        return f"{self.clip.name}-{self.first}-{self.last}-{self.first_gop}"


def trials(clips: ClipSet, gop: int, draw: Draw) -> list[Trial]:
    """All trials, phase by phase.

    A clip that has labels on more than half of its frames is one trial a phase, as a whole. Of others every labelled
    frame is: from a key frame before it over one GOP to the next key frame, as far as the clip goes.
    """
    made: list[Trial] = []
    for clip in clips.clips:
        if 2 * len(clip.labelled) > len(clip) > 1:
            shifts = draw.shifts(clip.name, gop, drawn=False)
            made += [_throughout(clip, gop, shift, phase) for phase, shift in enumerate(shifts)]
            continue
        for frame in clip.labelled:
            shifts = draw.shifts(f"{clip.name} {frame}", gop, drawn=True)
            made += [window(clip, frame, gop, shift, phase) for phase, shift in enumerate(shifts)]
    return sorted(made, key=lambda trial: trial.phase)


def _throughout(clip: LabelledClip, gop: int, shift: int, phase: int) -> Trial:
    start = (gop - shift) % gop
    groups = (len(clip) - start) // gop
    counted = range(start, start + groups * gop) if groups else range(len(clip))
    return Trial(clip, 0, len(clip), gop - shift, clip.labelled, counted, groups > 0, True, phase)


def window(clip: LabelledClip, frame: int, gop: int, distance: int, phase: int) -> Trial:
    """A labelled frame near the clip's beginning cannot be far from its key frame: its distances are drawn anew.

    The key frame after the group of pictures is there only for those who look ahead.
    """
    distance %= frame + 1
    first = frame - distance
    last = min(first + gop + 1, len(clip))
    counted = range(min(gop, last - first))
    return Trial(clip, first, last, gop, (distance,), counted, len(counted) == gop, False, phase)


def stretch(trial: Trial, gop: int, most: int) -> Trial:
    """What speed is measured on: whole groups of pictures from the start, of ``most`` frames together.

    One group alone would never show what lies between two key frames, or after the second.
    """
    if trial.throughout:
        return trial
    frames = min(len(trial.clip), most)
    frames = frames // gop * gop or frames
    return Trial(trial.clip, 0, frames, gop, (), range(frames), frames % gop == 0, False, trial.phase)


def by_phase(made: Sequence[Trial]) -> list[list[int]]:
    """Positions of the trials of each phase."""
    phases: dict[int, list[int]] = {}
    for position, trial in enumerate(made):
        phases.setdefault(trial.phase, []).append(position)
    return list(phases.values())
