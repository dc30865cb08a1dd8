"""How many cores there are, and how torch's threads share them with decoding."""

import math
import os
from pathlib import Path

from taplab.errors import SettingError

_GROUPS = Path("/sys/fs/cgroup")
_OWN_GROUPS = Path("/proc/self/cgroup")


def share_politely() -> None:
    """Lets idle OpenMP threads sleep instead of spinning, and has no more of them than a container allows.

    Decoding runs beside the network. Spinning threads take its cores away and then wait for it: on two cores with one
    of them busy the network was ten times slower. And torch counts the machine's cores: with a thread for each of 64 a
    container that may use two stands still for most of the time. Values that the user has set stay. Works only before
    torch is imported: called by `import taplab`.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if cores() < _allowed():
        os.environ.setdefault("OMP_NUM_THREADS", str(cores()))


def decoding_threads() -> int:
    """GOPs of a file that are decoded side by side: TAPLAB_DECODE_THREADS, else a quarter of the cores, at most 4.

    With 16 cores and a GPU 4 read 1024x2048 at twice the speed of one (MPEG-4, H.264), more gained nothing; with two
    cores nothing was gained. Raises SettingError if the variable is no positive number.
    """
    text = os.environ.get("TAPLAB_DECODE_THREADS")
    if text is None:
        return max(min(cores() // 4, 4), 1)
    if not text.isdecimal() or int(text) < 1:
        raise SettingError(f"TAPLAB_DECODE_THREADS '{text}': give a whole number from 1, or unset it")
    return int(text)


def cores() -> int:
    """Those that this process may use: no more than the time that its control groups (a container's) give it."""
    return max(math.ceil(min(_allowed(), _quota(_OWN_GROUPS, _GROUPS))), 1)


def _allowed() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _quota(own: Path, root: Path) -> float:
    """Cores' worth of time, the least of the groups around this process; infinite where there is no limit."""
    least = math.inf
    try:
        lines = [line.split(":", 2) for line in own.read_text().splitlines()]
    except OSError:  # no Linux
        return least
    for _, controllers, path in lines:
        if controllers not in ("", "cpu", "cpu,cpuacct", "cpuacct,cpu"):
            continue
        top = root / controllers  # of version 2 all are in one tree
        group = top / path.lstrip("/")
        for folder in (group, *group.parents):
            least = min(least, _limit(folder))
            if folder == top:
                break
    return least


def _limit(group: Path) -> float:
    """Of one group: ``cpu.max`` has quota and period, version 1 a file for each."""
    try:
        both = (group / "cpu.max").read_text().split()
    except OSError:
        try:
            both = [(group / f"cpu.cfs_{name}_us").read_text().strip() for name in ("quota", "period")]
        except OSError:
            return math.inf
    quota, period = both
    return math.inf if quota in ("max", "-1") else int(quota) / int(period)
