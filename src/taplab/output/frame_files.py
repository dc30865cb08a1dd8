"""A folder with one file a frame."""

from abc import abstractmethod
from pathlib import Path
from typing import Any

from taplab.files import MAKE_ROOM, whole, writable
from taplab.output.backlog import Backlog, Writer
from taplab.types import Result

WORKERS = 2
MOST_WAITING = 6  # frames in memory: masks take 2 MB each at 1024x2048


class FrameFiles(Writer):
    """Writes ``folder/000000.png`` and so on, in display order; ``what`` and ``ending`` are those of the subclass.

    Work happens on background threads; an error in one of them is raised by the next ``write`` or by ``close``. No
    half-written file ever carries a frame's name. Raises OutputError if the folder cannot be made or written.
    """

    what: str
    ending: str

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        with writable(self.folder, MAKE_ROOM):
            self.folder.mkdir(parents=True, exist_ok=True)
        self._backlog = Backlog(self.what, WORKERS, MOST_WAITING)

    @property
    def waited(self) -> float:
        """Seconds the caller was held up by files that were not written yet."""
        return self._backlog.waited

    def write(self, result: Result) -> None:
        """Queue the file of one frame. What it is made of must not change afterwards."""
        self._backlog.add(self._save, result.index, self._taken(result))

    def close(self) -> None:
        """Wait until all files are on the disk. May be called again."""
        self._backlog.finish()

    def abort(self) -> None:
        """Stop; files that are whole stay."""
        self._backlog.stop()

    @abstractmethod
    def _taken(self, result: Result) -> Any:
        """What is saved of a frame."""

    @abstractmethod
    def _save_part(self, part: Path, value: Any) -> None:
        """Writes what was taken."""

    def _save(self, index: int, value: Any) -> None:
        path = self.folder / f"{index:06d}{self.ending}"
        with writable(path, MAKE_ROOM), whole(path) as part:
            self._save_part(part, value)
