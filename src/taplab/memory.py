"""What becomes of memory that is freed."""

import ctypes
import os
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # of mallopt, see <malloc.h>
_KEPT = 1 << 30  # bytes: more than the largest block that comes and goes, and what may stay free at the end of the heap


def keep_freed_memory() -> None:
    """Has glibc keep what is freed, up to 1 GB, for what is asked for next.

    A network on a CPU asks for the same large blocks at every pass. By itself glibc gives them back each time, and the
    kernel clears every page of them anew: a quarter of the time of BL2 at 1024x2048, and a tenth of taplab's own.
    Threads share two heaps, not sixteen, or each would keep some. So the most that is held grows by a tenth. Settings
    of the user's (``MALLOC_...``, ``GLIBC_TUNABLES``) stay, and so does every other allocator and system.
    """
    users = any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ)
    mallopt = None if users or sys.platform != "linux" else getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # musl has none
        mallopt(_MMAP_THRESHOLD, _KEPT)
        mallopt(_TRIM_THRESHOLD, _KEPT)
        mallopt(_ARENA_MAX, 2)
