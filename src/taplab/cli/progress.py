"""A progress bar with the time left and the current speed."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn


@contextmanager
def progress_bar(title: str, total: int | None, *, quiet: bool, unit: str = "fps") -> Iterator["Bar"]:
    """On stderr; nothing is drawn if ``quiet`` or if stderr is no terminal."""
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),  # names of files may have brackets
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(f"{{task.fields[speed]:.1f}} {unit}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as progress:
        yield Bar(progress, title, total)


class Bar:
    """One task of a progress display."""

    def __init__(self, progress: Progress, title: str, total: int | None) -> None:
        self._progress = progress
        self._task = progress.add_task(title, total=total, speed=0.0, note="")

    def total(self, total: int | None) -> None:
        """How many there will be, as far as it is known."""
        self._progress.update(self._task, total=total)

    def advance(self, note: str = "") -> None:
        """One more is done."""
        self._progress.advance(self._task)
        speed = self._progress.tasks[self._task].speed or 0.0
        self._progress.update(self._task, speed=speed, note=note)

    def reach(self, done: int, note: str = "") -> None:
        """So many are done in all."""
        self._progress.update(self._task, completed=done, note=note)
        self._progress.update(self._task, speed=self._progress.tasks[self._task].speed or 0.0)
