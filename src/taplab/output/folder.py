"""Output folders, made and tried before any long work starts."""

from pathlib import Path

from taplab.errors import OutputError


def writable_folder(path: Path | str) -> Path:
    """Makes the folder if it is not there. Raises OutputError if nothing can be written into it."""
    folder = Path(path)
    probe = folder / ".taplab-probe"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror}); give another folder with -o") from error
    return folder
