"""What commands write to ``--json``."""

import json
import os
from pathlib import Path
from typing import Any

from taplab.errors import OutputError
from taplab.files import writable

_REMEDY = "give another --json"


def check_json(path: Path | None) -> None:
    """Makes its folder. Raises OutputError if nothing can be written there."""
    if path is None:
        return
    with writable(path, _REMEDY):
        path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise OutputError(f"{path}: cannot be written as a file; {_REMEDY}")


def save_json(values: Any, path: Path) -> None:
    """Indented JSON. Raises OutputError."""
    with writable(path, _REMEDY):
        path.write_text(json.dumps(values, indent=2) + "\n")
