"""What a measurement ran on, in words."""

import os
import platform
from pathlib import Path


def machine(device: str = "cpu") -> str:
    """Processor, number of cores, graphics card if ``device`` is one, versions."""
    import av
    import torch

    info = Path("/proc/cpuinfo")
    names = (
        [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        if info.exists()
        else []
    )
    parts = [names[0] if names else platform.processor(), f"{os.cpu_count()} cores"]
    if device.startswith("cuda"):
        parts.append(torch.cuda.get_device_name(device))
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, PyAV {av.__version__}"
    return ", ".join([*parts, versions])
