"""Files that are whole or not there, and what is said where one cannot be written."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from taplab.errors import OutputError

MAKE_ROOM = "give another -o or make room"


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A path of the same ending to write to, which takes the place of ``path`` at the end; removed after an error.

    Nobody reads half a file, and what was there before survives a full disk. Raises OSError.
    """
    part = path.with_name(f".part-{os.getpid()}-{path.name}")
    try:
        yield part
        os.replace(part, path)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


@contextmanager
def writable(path: Path, remedy: str = "") -> Iterator[None]:
    """What the system refuses becomes an OutputError that names ``path``, the reason and what may help."""
    try:
        yield
    except OSError as error:
        raise unwritable(path, error, remedy) from error


def unwritable(path: Path, error: Exception, remedy: str = "") -> OutputError:
    """The same of an error at hand."""
    reason = getattr(error, "strerror", None) or error
    return OutputError(f"{path}: cannot be written ({reason}){f'; {remedy}' if remedy else ''}")
