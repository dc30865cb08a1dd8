"""Where compiled kernels are kept from one run to the next."""

import atexit
import os
import sys
from contextlib import suppress
from pathlib import Path


def keep_kernels() -> None:
    """Finds numba a folder where it can write, if it has none: it refuses to import what it cannot keep.

    It keeps kernels in the package, or in the user's cache where that is read-only. Someone without either (a container
    with a read-only file system, a service without a home) gets a temporary folder: such a run compiles anew, and
    ``NUMBA_CACHE_DIR`` spares it that. Called by `import taplab`, before numba is loaded.
    """
    package = Path(__file__).parent
    if os.environ.get("NUMBA_CACHE_DIR") or _writable(package / "__pycache__") or _writable(_cache_of_user()):
        return
    import shutil
    import tempfile

    with suppress(OSError):  # then numba says what it misses
        folder, owner = tempfile.mkdtemp(prefix="taplab-kernels-"), os.getpid()

        @atexit.register
        def remove() -> None:
            if os.getpid() == owner:  # not a child of it
                shutil.rmtree(folder, ignore_errors=True)

        os.environ["NUMBA_CACHE_DIR"] = folder
        if "numba" in sys.modules:
            sys.modules["numba"].config.CACHE_DIR = folder


def _cache_of_user() -> Path:
    """numba's, on Linux; elsewhere below the home too."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path(os.path.expanduser("~")) / ".cache") / "numba"


def _writable(folder: Path) -> bool:
    """Whether it is there, or can be made, and files can be made in it."""
    while not os.path.exists(folder) and folder != folder.parent:  # False, too, where it may not be looked for
        folder = folder.parent
    return os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)
