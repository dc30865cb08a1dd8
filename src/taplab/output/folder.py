"""Output folders, made and tried before any long work starts."""

import json
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from taplab.errors import OutputError

_NUMBER = "[0-9]" * 6
FILES = {  # what a run saves, and as which files
    "overlay": "overlay.mp4",
    "masks": f"masks/{_NUMBER}.png",
    "scores": f"scores/{_NUMBER}.npy",
    "coco": "coco.json",
    "jsonl": "frames.jsonl",
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
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror}); give another folder with -o") from error
    return folder


def remove_earlier_run(out: Path, source: str, save: Collection[str]) -> None:
    """Removes what an earlier run left in ``out``: it must not be taken for this one's.

    That is what its summary says it saved. Raises OutputError if other files are there that have the names of what this
    run will write, or if ``source`` is among what would be removed.
    """
    summary = out / "summary.json"
    earlier = _saved_by(summary)
    others = [file for name in save if name not in (earlier or ()) for file in sorted(out.glob(FILES[name]))]
    if earlier is None and os.path.lexists(summary):
        others.append(summary)
    if others:
        raise OutputError(f"{others[0]}: is there already, and taplab did not write it; give another folder with -o")
    earlier = earlier or ()
    old = [file for name in earlier for file in out.glob(FILES[name])]
    old += [file for name in earlier for file in out.glob(f"{FILES[name]}.part")]  # it was killed
    at_risk = {file.resolve() for file in old} | {file.parent.resolve() for file in old if file.parent != out}
    if Path(source).resolve() in at_risk:
        raise OutputError(f"{out}: its files are what is to be segmented; give another folder with -o")
    for file in (*old, summary):
        file.unlink(missing_ok=True)
    for folder in {file.parent for file in old} - {out}:
        with suppress(OSError):  # others put something there
            folder.rmdir()


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
