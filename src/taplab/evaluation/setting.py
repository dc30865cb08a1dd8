"""Under what circumstances tables and figures were measured; stands in each of them."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from taplab import __version__
from taplab.data.clips import FileClip, LabelledClip
from taplab.data.mapping import unmapped
from taplab.evaluation.bench import Bench, Subject
from taplab.evaluation.points import Plan
from taplab.evaluation.timing import MOST_FRAMES
from taplab.machine import machine
from taplab.video.encode import ENCODERS
from taplab.words import counted


@dataclass(frozen=True)
class Setting:
    """data, folder: of the clips; no folder where they are in no files. networks: by the paper's name.

    classes: notes where labels were read in other classes. quality: as the encoder takes it. phases: positions of the
    key frames for each clip. rounds: of timing, on the clip ``timed``. region, stride: of RGC, rows x columns, where a
    table names none. thr_rgfs: with its unit.
    """

    data: str
    folder: str | None
    clips: int
    size: tuple[int, int]
    networks: dict[str, str]
    classes: dict[str, list[str]]
    codec: str
    quality: float
    gop: int
    phases: int
    seed: int | None
    rounds: int
    timed: str
    alpha: float
    region: tuple[int, int]
    stride: tuple[int, int]
    thr_rgc: int
    thr_rgfs: str
    hardware: str
    taplab: str
    command: str

    @classmethod
    def of(cls, bench: Bench, plan: Plan, command: str) -> "Setting":
        """Of the measurements of a bench."""
        first = next(iter(bench.subjects.values()))
        clips, settings = first.clips.clips, plan.settings
        region, stride = plan.region_and_stride
        unit = "grey levels per pixel" if settings.thr_rgfs_unit == "grey" else "as a sum over pixels and channels"
        return cls(
            data=first.clips.name,
            folder=_folder(clips),
            clips=len(clips),
            size=plan.size,
            networks={key: _network(subject) for key, subject in bench.subjects.items()},
            classes={key: list(subject.notes) for key, subject in bench.subjects.items() if subject.notes},
            codec=bench.encoding.codec,
            quality=bench.quality,
            gop=plan.gop,
            phases=bench.draw.phases,
            seed=bench.draw.seed,
            rounds=bench.rounds,
            timed=clips[0].name,
            alpha=settings.alpha,
            region=region,
            stride=stride,
            thr_rgc=settings.thr_rgc,
            thr_rgfs=f"{settings.thr_rgfs:g} {unit}",
            hardware=machine(first.model.device),
            taplab=__version__,
            command=command,
        )

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    def lines(self, *, timed: bool = True) -> list[str]:
        """For a list in Markdown; ``timed``: speed is shown."""
        control = "crf" if ENCODERS[self.codec].control == "crf" else "quantiser"
        place = f" ({self.folder})" if self.folder else ""
        classes = [f"{key.upper()}: {note}" for key, notes in self.classes.items() for note in notes]
        return [
            f"Data: {self.data}{place}, {counted(self.clips, 'clip')} of {self.size[0]}x{self.size[1]}",
            f"Networks: {'; '.join(f'{key.upper()} is {name}' for key, name in self.networks.items())}",
            *([f"Classes: {'; '.join(classes)}"] if classes else []),
            f"Clips: {self.codec}, {control} {self.quality:g}, GOP {self.gop} where none is given",
            f"Key frames: {self._key_frames()}",
            f"RGC: regions of {_sides(self.region)} every {_sides(self.stride)} where none are given, "
            f"alpha {self.alpha:g}, THR_RGC {self.thr_rgc}; THR_RGFS: {self.thr_rgfs}",
            *([f"Speed: {self._speed()}"] if timed else []),
            f"Hardware: {self.hardware}",
            f"taplab {self.taplab}: `{self.command}`",
        ]

    def _key_frames(self) -> str:
        if self.phases >= self.gop:
            return "every position, so that every distance counts once"
        number = "one position" if self.phases == 1 else f"{self.phases} positions"
        if self.seed is not None:
            return f"{number} a clip, drawn with seed {self.seed}"
        return f"{number} a clip, drawn with seed 0; where a clip has labels throughout, from its first frame on"

    def _speed(self) -> str:
        if not self.rounds:
            return "not measured (--rounds 0)"
        rounds = "1 round" if self.rounds == 1 else f"medians of {self.rounds} rounds in which the ways take turns"
        return f"on the first clip alone ({self.timed}, at most {MOST_FRAMES} frames), frame by frame, {rounds}"


def _sides(sides: tuple[int, int]) -> str:
    return f"{sides[0]}x{sides[1]}"


def _network(subject: Subject) -> str:
    return f"{subject.model.name} ({subject.about})" if subject.about else subject.model.name


def _folder(clips: Sequence[LabelledClip]) -> str | None:
    """What the frames of all clips lie in."""
    files = [clip.frames[0] for clip in map(unmapped, clips) if isinstance(clip, FileClip)]
    return os.path.commonpath([file.parent for file in files]) if files else None
