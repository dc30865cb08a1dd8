"""What a benchmark ran on. Imported before torch: threads wait as they do under the command line."""

import os
import platform
from pathlib import Path

from taplab.threads import wait_politely

wait_politely()

import av  # noqa: E402
import torch  # noqa: E402


def machine() -> str:
    """Processor, number of cores, versions."""
    info = Path("/proc/cpuinfo")
    names = (
        [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        if info.exists()
        else []
    )
    name = names[0] if names else platform.processor()
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, PyAV {av.__version__}"
    return f"{name}, {os.cpu_count()} cores, {versions}"
