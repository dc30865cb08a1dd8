"""What ``taplab bench`` measured, on the screen."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from taplab.evaluation.speed import Speed, Speeds

STAGES = ("decode", "motion", "residual", "network", "warp", "labels", "write", "wait", "total")


def print_speeds(speeds: "Speeds", about: dict[str, Any]) -> None:
    """Two tables on stdout, ratios and stages, and how to read them."""
    from rich.console import Console

    console, plain = Console(), 1e3 * speeds.plain_decode_seconds_per_frame
    hardware = about["hardware"]
    console.print(
        f"{about['source']}: {about['codec']}, {about['width']}x{about['height']}, {speeds.modes[0].frames} frames; "
        f"{about['model']} on {hardware.get('gpu', hardware['processor'])}, {hardware['usable_cores']} cores; "
        f"rounds: {about['rounds']}",
        highlight=False,
    )
    console.print(_ratios(speeds))
    console.print(
        f"Plain decoding: {plain:.2f} ms a frame. ratio: to per-frame. decoding: time over plain decoding's. "
        "bound: what the network's work alone would take, over the time taken. rest: all but the network, over plain "
        "decoding. MB: peak of the whole process in these runs.",
        highlight=False,
    )
    console.print(_stages(speeds.modes))
    console.print(
        "Milliseconds a frame, summed over threads: stages overlap, so their sum can exceed the total. wait: the "
        "pipeline's own thread waited for decoding or labels. total: by the clock.",
        highlight=False,
    )
    for note, titles in _noted(speeds).items():
        console.print(f"{', '.join(titles)}: {note}", highlight=False, markup=False)


def _noted(speeds: "Speeds") -> dict[str, list[str]]:
    """Notes, each with the titles of the ways that it was told of."""
    noted: dict[str, list[str]] = {}
    for speed in speeds.modes:
        for note in speed.notes:
            noted.setdefault(note, []).append(speed.title)
    return noted


def _ratios(speeds: "Speeds") -> "Table":
    table = _table("cost", "frames/s", "ratio", "decoding", "bound", "rest", "MB")
    decoding, base = speeds.plain_decode_seconds_per_frame, speeds.modes[0]
    faster = base.seconds["total"] / base.frames / decoding
    row = ["", f"{1 / decoding:.1f}", f"{faster:.1f}", "1.00", "", "", _megabytes(speeds.plain_decode_peak_memory)]
    table.add_row("plain decoding", *row)
    for speed in speeds.modes:
        table.add_row(
            speed.title,
            f"{speed.network_cost:.3f}",
            f"{speed.fps:.2f}",
            f"{speed.ratio_to_per_frame:.2f}",
            f"{speed.ratio_to_plain_decoding:.2f}",
            f"{speed.share_of_bound:.2f}",
            f"{speed.rest_to_plain_decoding:.2f}",
            _megabytes(speed.peak_memory),
        )
    return table


def _stages(modes: "list[Speed]") -> "Table":
    """Modes beside each other: nine stages would not fit."""
    table = _table(*(speed.title for speed in modes), first="stage")
    for stage in STAGES:
        table.add_row(stage, *(f"{1e3 * speed.seconds[stage] / speed.frames:.1f}" for speed in modes))
    return table


def _table(*columns: str, first: str = "mode") -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(first, min_width=8)
    for name in columns:
        table.add_column(name, justify="right")
    return table


def _megabytes(peak: int | None) -> str:
    return "-" if peak is None else f"{peak / 1e6:.0f}"
