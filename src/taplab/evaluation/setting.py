"""Under what circumstances tables and figures were measured; stands in each of them."""

from dataclasses import asdict, dataclass
from typing import Any

from taplab import __version__
from taplab.evaluation.bench import Bench
from taplab.evaluation.points import Plan
from taplab.machine import machine


@dataclass(frozen=True)
class Setting:
    """data: of the clips. networks: by the paper's name. classes: notes where labels were read in other classes.

    thr_rgfs: with its unit. phases: positions of the key frames for each clip. rounds: of timing.
    """

    data: str
    clips: int
    size: tuple[int, int]
    networks: dict[str, str]
    classes: dict[str, list[str]]
    codec: str
    quality: float | None
    gop: int
    phases: int
    seed: int | None
    rounds: int
    alpha: float
    thr_rgc: int
    thr_rgfs: str
    hardware: str
    taplab: str
    command: str

    @classmethod
    def of(cls, bench: Bench, plan: Plan, command: str) -> "Setting":
        """Of the measurements of a bench."""
        first = next(iter(bench.subjects.values()))
        settings = plan.settings
        unit = "grey levels per pixel" if settings.thr_rgfs_unit == "grey" else "as a sum over pixels and channels"
        return cls(
            data=first.clips.name,
            clips=len(first.clips.clips),
            size=plan.size,
            networks={key: subject.model.name for key, subject in bench.subjects.items()},
            classes={key: list(subject.notes) for key, subject in bench.subjects.items() if subject.notes},
            codec=bench.encoding.codec,
            quality=bench.encoding.quality,
            gop=plan.gop,
            phases=bench.draw.phases,
            seed=bench.draw.seed,
            rounds=bench.rounds,
            alpha=settings.alpha,
            thr_rgc=settings.thr_rgc,
            thr_rgfs=f"{settings.thr_rgfs:g} {unit}",
            hardware=machine(first.model.device),
            taplab=__version__,
            command=command,
        )

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    def lines(self) -> list[str]:
        """For a list in Markdown."""
        quality = "the encoder's own quality" if self.quality is None else f"quality {self.quality:g}"
        number = "one position" if self.phases == 1 else f"{self.phases} positions"
        start = "from the first frame on" if self.seed is None else f"drawn with seed {self.seed}"
        classes = [f"{key.upper()}: {note}" for key, notes in self.classes.items() for note in notes]
        return [
            f"Data: {self.data}, {self.clips} clip{'s' * (self.clips > 1)} of {self.size[0]}x{self.size[1]}",
            f"Networks: {', '.join(f'{key.upper()} is {name}' for key, name in self.networks.items())}",
            *([f"Classes: {'; '.join(classes)}"] if classes else []),
            f"Clips: {self.codec}, {quality}, GOP {self.gop} where none is given",
            f"Key frames: {number} a clip, {start}",
            f"RGC: alpha {self.alpha:g}, THR_RGC {self.thr_rgc}; THR_RGFS: {self.thr_rgfs}",
            f"Hardware: {self.hardware}",
            f"taplab {self.taplab}: `{self.command}`",
        ]
