"""How torch's threads share the processor with decoding."""

import os


def wait_politely() -> None:
    """Lets idle OpenMP threads sleep instead of spinning. Works only before torch is imported.

    Decoding runs beside the network. Spinning threads take its cores away and then wait for it: on two cores with one
    of them busy the network was ten times slower. A value that the user has set stays. Called by `import taplab`.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
