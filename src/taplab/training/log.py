"""What a training writes down while it runs: JSON lines, CSV and, if asked, TensorBoard events."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taplab.errors import MissingExtraError, OutputError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

COLUMNS = ("step", "loss", "rate", "miou", "pixel_accuracy", "validation_loss", "seconds_per_step")


Progress = Callable[[dict[str, Any]], None]


class Log:
    """``log.jsonl`` and ``log.csv`` in ``out``, and TensorBoard events in ``out/tensorboard``.

    ``progress`` is called with every entry. Entries after step ``after``, of a run that went on beyond its last
    checkpoint, are dropped: they come again. ``validated`` is the last step before that with scores, or 0. Raises
    OutputError if the log in ``out`` was not written by taplab.
    """

    def __init__(self, out: Path, after: int, tensorboard: bool = False, progress: Progress | None = None) -> None:
        self._progress = progress
        self._lines, self._table = out / "log.jsonl", out / "log.csv"
        entries = [entry for entry in _read(self._lines) if entry["step"] <= after]
        self.validated: int = max((entry["step"] for entry in entries if "miou" in entry), default=0)
        self._lines.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
        with self._table.open("w", newline="") as table:
            csv.writer(table, lineterminator="\n").writerows([COLUMNS, *map(_row, entries)])
        self._events = event_writer()(out / "tensorboard", purge_step=after + 1) if tensorboard else None

    def add(self, entry: dict[str, Any]) -> None:
        """Writes one entry at once: a crash costs nothing."""
        with self._lines.open("a") as lines:
            lines.write(json.dumps(entry) + "\n")
        with self._table.open("a", newline="") as table:
            csv.writer(table, lineterminator="\n").writerow(_row(entry))
        if self._events is not None:
            for name, value in _scalars(entry):
                self._events.add_scalar(name, value, entry["step"])
            self._events.flush()
        if self._progress is not None:
            self._progress(entry)

    def close(self) -> None:
        """Ends the events file."""
        if self._events is not None:
            self._events.close()


def log_step(out: Path, progress: Progress | None, step: int, loss: float, seconds: float) -> None:
    """Adds a line to ``out/log.jsonl`` and tells ``progress``: all that a short training writes down."""
    entry = {"step": step, "loss": round(loss, 4), "seconds": round(seconds, 1)}
    with (out / "log.jsonl").open("a") as lines:
        lines.write(json.dumps(entry) + "\n")
    if progress is not None:
        progress(entry)


def event_writer() -> "type[SummaryWriter]":
    """TensorBoard's writer. Raises MissingExtraError if TensorBoard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingExtraError("--tensorboard needs TensorBoard: pip install 'taplab[train]'") from error
    return SummaryWriter


def _read(file: Path) -> list[dict[str, Any]]:
    if not file.exists():
        return []
    entries = []
    for line in file.read_text().splitlines():
        try:
            entries.append(json.loads(line))
        except ValueError:  # the last line of a process that was killed
            continue
    if not all(isinstance(entry, dict) and "step" in entry for entry in entries):
        raise OutputError(f"{file}: not a log of taplab; give another folder with -o")
    return entries


def _row(entry: dict[str, Any]) -> list[Any]:
    return [entry.get(column, "") for column in COLUMNS]


def _scalars(entry: dict[str, Any]) -> list[tuple[str, float]]:
    groups = {"loss": "train/", "rate": "train/", "seconds_per_step": "train/"}
    plain = [(groups.get(name, "validation/") + name, entry[name]) for name in COLUMNS[1:] if name in entry]
    return plain + [(f"iou/{name}", iou) for name, iou in entry.get("iou", {}).items() if iou is not None]
