"""How torch's threads share the processor with decoding."""

import os

from taplab.errors import SettingError


def wait_politely() -> None:
    """Lets idle OpenMP threads sleep instead of spinning. Works only before torch is imported.

    Decoding runs beside the network. Spinning threads take its cores away and then wait for it: on two cores with one
    of them busy the network was ten times slower. A value that the user has set stays. Called by `import taplab`.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def decoding_threads() -> int:
    """GOPs of a file that are decoded side by side: TAPLAB_DECODE_THREADS, else a quarter of the cores, at most 4.

    With 16 cores and a GPU 4 read 1024x2048 at twice the speed of one (MPEG-4, H.264), more gained nothing; with two
    cores nothing was gained. Raises SettingError if the variable is no positive number.
    """
    text = os.environ.get("TAPLAB_DECODE_THREADS")
    if text is None:
        return max(min(_cores() // 4, 4), 1)
    if not text.isdecimal() or int(text) < 1:
        raise SettingError(f"TAPLAB_DECODE_THREADS '{text}': give a whole number from 1, or unset it")
    return int(text)


def _cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
