"""Output folders, made and tried before any long work starts."""

import json
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from taplab.errors import OutputError
from taplab.files import writable
from taplab.video.address import files_of

FILES = {  # what a run saves: in which folder, and under which names
    "overlay": ("", r"overlay\.mp4"),
    "masks": ("masks", r"\d{6,}\.png"),
    "scores": ("scores", r"\d{6,}\.npy"),
    "coco": ("", r"coco\.json"),
    "jsonl": ("", r"frames\.jsonl"),
}
_ALWAYS = ("overlay", "masks")  # what runs saved whose summary does not say it


def writable_folder(path: Path | str) -> Path:
    """Makes the folder if it is not there. Raises OutputError if nothing can be written into it."""
    if not isinstance(path, str | Path):
        raise OutputError(f"out {path!r}: give a folder, as str or Path")
    if path == "":
        raise OutputError("out: its name is empty; give a folder, or . for this one")
    folder = Path(path)
    probe = folder / f".taplab-probe-{os.getpid()}"  # several processes may try at once
    with writable(folder, "give another folder with -o"):
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink(missing_ok=True)
    return folder


def remove_earlier_run(out: Path, source: str, save: Collection[str]) -> None:
    """Removes what an earlier run left in ``out``: it must not be taken for this one's.

    That is what its summary says it saved. Raises OutputError if other files are there that have the names of what this
    run will write, or if ``source`` is among what would be removed.
    """
    summary = out / "summary.json"
    earlier = _saved_by(summary)
    check_free(out, save)
    old = [file for name in earlier or () for file in _saved_as(out, name, unfinished=True)]
    at_risk = {file.resolve() for file in old} | {file.parent.resolve() for file in old if file.parent != out}
    if any(Path(file).resolve() in at_risk for file in files_of(source)):
        raise OutputError(f"{out}: its files are what is to be segmented; give another folder with -o")
    for file in (*old, summary):
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{file}: cannot be removed ({error.strerror}); give another folder with -o") from error
    for folder in {file.parent for file in old} - {out}:
        with suppress(OSError):  # others put something there
            folder.rmdir()


def check_free(out: Path, save: Collection[str]) -> None:
    """Raises OutputError where a run that saves this would write over what taplab did not write."""
    earlier = _saved_by(out / "summary.json")
    refuse_others([file for name in save if name not in (earlier or ()) for file in _saved_as(out, name)])
    refuse_others([out / "summary.json"], lambda _: earlier is not None)


def refuse_others(files: Iterable[Path], is_ours: Callable[[Path], bool] = lambda _: False) -> None:
    """Raises OutputError for the first of these files that is there and not ours to write anew."""
    for file in files:
        if os.path.lexists(file) and not is_ours(file):
            raise OutputError(f"{file}: is there already, and taplab did not write it; give another folder with -o")


def _saved_as(out: Path, name: str, *, unfinished: bool = False) -> list[Path]:
    """The files in ``out`` that are called as those of ``--save name``; also what a run left that was killed."""
    folder, pattern = FILES[name]
    if unfinished:
        pattern = rf"(\.part-\d+-)?{pattern}(\.part)?"
    there = out / folder
    names = sorted(os.listdir(there)) if there.is_dir() else []
    return [there / file for file in names if re.fullmatch(pattern, file)]


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """No other run writes there meanwhile. Raises OutputError if one does."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # there are file systems without locks
            try:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise OutputError(f"{folder}: another run writes there; wait for it, or give another -o") from error
        yield
    finally:
        os.close(number)


def _saved_by(summary: Path) -> Collection[str] | None:
    """What a run saved; None if this is no summary of one."""
    try:
        said = json.loads(summary.read_text())
        ours = {"network_cost", "key_frames", "mode"} <= set(said)
        return [name for name in said.get("saved", _ALWAYS) if name in FILES] if ours else None
    except (OSError, ValueError, TypeError, AttributeError):
        return None
