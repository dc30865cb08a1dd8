"""Output folders, made and tried before any long work starts."""

import os
from pathlib import Path

from taplab.errors import OutputError


def writable_folder(path: Path | str) -> Path:
    """Makes the folder if it is not there. Raises OutputError if nothing can be written into it."""
    folder = Path(path)
    probe = folder / f".taplab-probe-{os.getpid()}"  # several processes may try at once
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror}); give another folder with -o") from error
    return folder
