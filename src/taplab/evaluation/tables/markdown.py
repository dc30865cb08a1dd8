"""Tables as Markdown that stands alone, and as plain values for JSON."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from taplab.evaluation.bench import Bench
from taplab.evaluation.score import Score
from taplab.evaluation.setting import Setting
from taplab.evaluation.tables.table import Row, Table

_COLUMNS = ("mIoU", "network cost", "FPS, network", "FPS, end to end", "mIoU, paper", "FPS, paper")
_NOTES = (
    "mIoU in per cent, over one confusion matrix of all scored frames. Network cost: share of all pixels that the "
    "network saw. FPS, network: network and warp alone, as the paper counts (Eq. 2); FPS, end to end: from file to "
    "labels. The paper's columns are of Cityscapes or CamVid and a GTX 1080 Ti: they stand here for their order and "
    "their distances.",
)


def as_markdown(table: Table, bench: Bench, setting: Setting) -> str:
    """Title, setting, table, notes."""
    title = f"# Table {table.number}: {_title(table, setting)}"
    parts = [title, "\n".join(f"* {line}" for line in _facts(table, bench, setting))]
    if table.systems:
        parts.append(_grid(_SYSTEM_HEADS, _system_rows(table)))
    heads = (*table.heads, *_COLUMNS, *(("warp, ms", "ms, paper") if table.milliseconds else ()))
    parts.append(_grid(heads, [_cells(row, table, bench) for row in table.rows]))
    parts += (*_NOTES, *table.notes)
    absent = list(_not_measured(table, bench))
    if absent:
        parts.append("\n".join(["Not measured:", "", *(f"* {line}" for line in absent)]))
    return "\n\n".join(parts) + "\n"


def as_json(table: Table, bench: Bench, setting: Setting) -> dict[str, Any]:
    """All that is known of each row."""
    return {
        "table": table.number,
        "title": _title(table, setting),
        "setting": setting.as_json(),
        "rows": [_plain(row, table, bench) for row in table.rows],
        "systems": [asdict(s) | {"normalised_fps": s.normalised_fps} for s in table.systems],
        "notes": [*_NOTES, *table.notes],
    }


def absence(row: Row, bench: Bench) -> str | None:
    """Why a row is not measured."""
    return row.absent if row.point is None else bench.why_not(row.point)


def _title(table: Table, setting: Setting) -> str:
    """Says of which data it is."""
    return f"{table.title}; {setting.data}"


def _facts(table: Table, bench: Bench, setting: Setting) -> list[str]:
    frames = sorted({bench.scores[p].frames for p in table.points if p in bench.scores})
    scored = [f"Scored frames: {' to '.join(map(str, frames[:: max(len(frames) - 1, 1)]))}"] if frames else []
    lines = setting.lines()
    return [lines[0], *scored, *lines[1:]]


def _plain(row: Row, table: Table, bench: Bench) -> dict[str, Any]:
    score = bench.scores.get(row.point) if row.point is not None else None
    return {
        "row": dict(zip(table.heads, row.cells, strict=True)),
        "measured": None if score is None else score.as_json(),
        "not_measured": absence(row, bench),
        "paper": asdict(row.paper),
    }


def _cells(row: Row, table: Table, bench: Bench) -> list[str]:
    score = bench.scores.get(row.point) if row.point is not None else None
    paper = [_number(row.paper.miou), _number(row.paper.fps)]
    measured = ["-"] * 4 if score is None else _measured(score)
    times = [_number(None if score is None else _warp(score)), _number(row.paper.milliseconds)]
    return [*row.cells, *measured, *paper, *(times if table.milliseconds else ())]


def _measured(score: Score) -> list[str]:
    miou = f"{100 * score.miou:.1f}"
    if score.phases > 1:
        miou += f" ({100 * score.miou_range[0]:.1f} to {100 * score.miou_range[1]:.1f})"
    return [miou, f"{score.network_cost:.3f}", _number(score.network_fps), _number(score.fps)]


def _warp(score: Score) -> float | None:
    return 1000 * score.seconds["warp"] if score.seconds else None


def _number(value: float | None) -> str:
    return "-" if value is None or value != value else f"{value:.1f}"


def _not_measured(table: Table, bench: Bench) -> Iterator[str]:
    for row in table.rows:
        reason = absence(row, bench)
        if reason is not None:
            yield f"{', '.join(row.cells)}: {reason}"


_SYSTEM_HEADS = ("as published", "kind", "mIoU", "split", "input", "FPS", "GPU", "FPS, normalised", "from")


def _system_rows(table: Table) -> list[list[str]]:
    return [
        [s.name, s.kind, f"{s.miou:.1f}", s.split, s.size, f"{s.fps:.1f}", s.gpu, _number(s.normalised_fps), s.source]
        for s in table.systems
    ]


def _grid(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
