"""Measures points of tables and figures, each of them once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from taplab.data.clips import ClipSet
from taplab.errors import SettingError, SourceError, TaplabError
from taplab.evaluation.cache import Cache
from taplab.evaluation.points import Point
from taplab.evaluation.score import Progress, Score, evaluate
from taplab.evaluation.trials import Draw, Encoding
from taplab.models.base import Model
from taplab.policies import make_policy
from taplab.video.encode import ENCODERS


@dataclass(frozen=True, eq=False)
class Subject:
    """A network, and the clips with their labels in its classes.

    notes: classes that were merged or left out. about: architecture, width and origin of the weights, if known.
    """

    model: Model
    clips: ClipSet
    notes: tuple[str, ...] = ()
    about: str = ""


def quality_of(encoding: Encoding) -> float:
    """As a number, where the encoder's default is asked for too. Raises SettingError for an unknown codec."""
    if encoding.codec not in ENCODERS:
        raise SettingError(f"codec {encoding.codec!r}: choose one of {', '.join(ENCODERS)}")
    return ENCODERS[encoding.codec].quality if encoding.quality is None else encoding.quality


def require_labels(scores: Sequence[Score]) -> None:
    """Raises SourceError if not one scored pixel has a label."""
    for score in scores:
        if score.miou != score.miou:
            raise SourceError(f"{score.data}: no pixel of the scored frames has a label; check the labels' class ids")


class Bench:
    """The networks at hand, by the paper's name ("bl2"), and how they are measured.

    encoding: its GOP is replaced by that of the points. rounds: of timing; 0 leaves speed out. scores: so far.
    """

    def __init__(
        self,
        subjects: Mapping[str, Subject],
        encoding: Encoding,
        draw: Draw,
        cache: Cache,
        *,
        rounds: int = 3,
        lanes: int | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.subjects, self.draw, self.cache = subjects, draw, cache
        self.quality = quality_of(encoding)
        self.encoding = replace(encoding, quality=self.quality)
        self.rounds, self.lanes, self.progress = rounds, lanes, progress
        self.scores: dict[Point, Score] = {}
        self._modes: dict[str, str | None] = {}

    def why_not(self, point: Point) -> str | None:
        """Why a point cannot be measured; None if it can."""
        if point.network not in self.subjects:
            return f"give --models {point.network}=NAME or FILE"
        model, settings = self.subjects[point.network].model, point.way.settings
        if "rgc" in settings.modules and not model.takes_crops:
            return f"{model.name} cannot take regions of a frame"
        mode = point.way.mode
        if mode not in self._modes:
            self._modes[mode] = _why_no_mode(point)
        return self._modes[mode]

    def measure(self, points: Iterable[Point], timed: Iterable[Point]) -> None:
        """Accuracy of ``points``, and speed of ``timed`` too, into ``scores``.

        Points of one network and one GOP length go together: they share the network's passes, and are timed in turn.
        """
        timed = dict.fromkeys(p for p in timed if self.why_not(p) is None)
        wanted = dict.fromkeys((*(p for p in points if self.why_not(p) is None), *timed))
        for network, gop in dict.fromkeys((p.network, p.gop) for p in wanted):
            group = [p for p in wanted if (p.network, p.gop) == (network, gop)]
            self._evaluate(group, 0)
            to_time = [p for p in group if p in timed]
            if to_time and self.rounds:
                self._evaluate(to_time, self.rounds)

    def _evaluate(self, group: list[Point], rounds: int) -> None:
        subject = self.subjects[group[0].network]
        scores = evaluate(
            subject.clips,
            subject.model,
            [point.way for point in group],
            self.encoded(group[0].gop),
            self.draw,
            self.cache,
            rounds=rounds,
            lanes=self.lanes,
            progress=self.progress,
        )
        require_labels(scores)
        self.scores.update(zip(group, scores, strict=True))

    def encoded(self, gop: int) -> Encoding:
        """How clips of that GOP length are encoded."""
        return replace(self.encoding, gop=gop)


def _why_no_mode(point: Point) -> str | None:
    try:
        make_policy(point.way.mode, point.way.settings)
    except TaplabError as error:  # an unknown flow, a missing extra, weights that are not there
        return str(error)
    return None
