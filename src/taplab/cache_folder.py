"""Where taplab keeps what it can make again."""

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """Where caches belong on this system; ``TAPLAB_CACHE`` names another place."""
    if "TAPLAB_CACHE" in os.environ:
        return Path(os.environ["TAPLAB_CACHE"])
    if sys.platform == "win32" and "LOCALAPPDATA" in os.environ:
        return Path(os.environ["LOCALAPPDATA"]) / "taplab"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "taplab"
