"""Peak memory of this process."""

import sys
from pathlib import Path

_STATUS, _FORGET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def forget_peak() -> bool:
    """Lets the peak begin anew from what is held now. Whether that was possible: Linux alone can."""
    try:
        _FORGET.write_text("5")
    except OSError:
        return False
    return True


def peak_memory() -> int | None:
    """Bytes of main memory, the most that were resident at once; None where the system does not tell."""
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        return None
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
