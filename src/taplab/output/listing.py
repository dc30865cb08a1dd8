"""A text file to which every frame adds something."""

from abc import abstractmethod
from contextlib import suppress
from pathlib import Path

from taplab.files import MAKE_ROOM, writable
from taplab.output.backlog import Backlog, Writer
from taplab.types import Result

MOST_WAITING = 6  # frames in memory


class Listing(Writer):
    """Writes ``path`` on a background thread, in the order of the frames. Raises OutputError."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        with writable(self.path, MAKE_ROOM):
            self._file = self.path.open("w", encoding="utf-8")
        self._backlog = Backlog(self.path.name, 1, MOST_WAITING)

    def write(self, result: Result) -> None:
        """Queue what is said of one frame. Its labels must not change afterwards."""
        self._backlog.add(self._append, result)

    def close(self) -> None:
        """Wait until all is on the disk. May be called again."""
        try:
            self._backlog.finish()
            if not self._file.closed:
                self._put(self._end())
        finally:
            self._stop()

    def abort(self) -> None:
        """Stop; what was written stays."""
        self._stop()

    @abstractmethod
    def _said(self, result: Result) -> str:
        """What one frame adds."""

    def _end(self) -> str:
        return ""

    def _stop(self) -> None:
        self._backlog.stop()
        with suppress(OSError):  # what was put is flushed
            self._file.close()

    def _append(self, result: Result) -> None:
        self._put(self._said(result))

    def _put(self, text: str) -> None:
        with writable(self.path, MAKE_ROOM):
            self._file.write(text)
            self._file.flush()
