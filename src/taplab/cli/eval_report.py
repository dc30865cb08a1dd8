"""Scores of ``taplab eval`` on the screen and as JSON."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from taplab.evaluation.score import Score


def print_scores(scores: "Sequence[Score]") -> None:
    """A table on stdout; speeds where they were measured, losses where something was asked for."""
    timed, asked = scores[0].fps == scores[0].fps, any(s.asked for s in scores)  # not NaN
    miou, fps = next(((s.miou, s.fps) for s in scores if s.mode == "per-frame"), (float("nan"), float("nan")))
    title = f"{scores[0].data}, {scores[0].model}, {scores[0].codec}"
    table = Table(box=SIMPLE_HEAD, padding=0, title=escape(title))
    table.add_column("mode", min_width=21)
    names = ["mIoU", *(("lost", "pred.") if asked else ("edges",)), "pixels", "steady", "cost"]
    if asked:
        table.caption = "lost: points of mIoU below per-frame; pred.: so many were predicted"
    for name in (*names, *(("fps", "net", "ratio") if timed else ())):
        table.add_column(name, justify="right", no_wrap=True)
    for s in scores:
        edges = [_percent(s.boundary_iou)]
        losses = [_percent(miou - s.miou), _points(s.predicted_loss)] if asked else edges  # 80 columns are not more
        shares = [_percent(v) for v in (s.pixel_accuracy, s.temporal_consistency)]
        speeds = [_plain(v) for v in (s.fps, s.network_fps, s.fps / fps)] if timed else []
        table.add_row(s.title, _percent(s.miou), *losses, *shares, f"{s.network_cost:.3f}", *speeds)
    Console().print(table)


def _plain(value: float) -> str:
    return "-" if value != value else f"{value:.1f}"


def _percent(share: float) -> str:
    return _plain(100 * share)


def _points(points: float | None) -> str:
    return "-" if points is None else f"{points:.1f}"
