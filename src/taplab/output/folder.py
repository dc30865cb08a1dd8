"""Output folders, made and tried before any long work starts."""

import json
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


def remove_earlier_run(out: Path, source: str) -> None:
    """Removes what an earlier run left in ``out``: it must not be taken for this one's.

    Only a folder with a summary of ours is cleared. Raises OutputError if masks or an overlay are there that taplab did
    not write, or if ``source`` is among what would be removed.
    """
    masks = sorted((out / "masks").glob("[0-9][0-9][0-9][0-9][0-9][0-9].png"))
    old = [file for file in (out / "overlay.mp4", *masks) if file.exists()]
    if old and not _is_ours(out / "summary.json"):
        raise OutputError(f"{old[0]}: is there already, and taplab did not write it; give another folder with -o")
    at_risk = {file.resolve() for file in old} | ({(out / "masks").resolve()} if masks else set())
    if Path(source).resolve() in at_risk:
        raise OutputError(f"{out}: its files are what is to be segmented; give another folder with -o")
    for file in (*old, out / "summary.json"):
        file.unlink(missing_ok=True)


def _is_ours(summary: Path) -> bool:
    try:
        return {"network_cost", "key_frames", "mode"} <= set(json.loads(summary.read_text()))
    except (OSError, ValueError, TypeError):
        return False
