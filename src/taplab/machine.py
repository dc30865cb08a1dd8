"""What a measurement ran on."""

import os
import platform
from pathlib import Path

from taplab.threads import cores


def machine(device: str = "cpu") -> str:
    """Processor, number of cores, graphics card if ``device`` is one, versions: in words."""
    found, version = hardware(device), versions()
    parts = [str(found["processor"]), f"{found['cores']} cores"]
    if "gpu" in found:
        parts.append(str(found["gpu"]))
    named = f"Python {version['python']}, torch {version['torch']}, PyAV {version['av']}"
    return ", ".join([*parts, named])


def hardware(device: str = "cpu") -> dict[str, str | int]:
    """processor; cores: of the machine; usable_cores: that this process may use; gpu: if ``device`` is one."""
    import torch

    found: dict[str, str | int] = {
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "usable_cores": cores(),
        "torch_threads": torch.get_num_threads(),
    }
    if device.startswith("cuda"):
        found["gpu"] = torch.cuda.get_device_name(device)
    return found


def has_fast_bfloat16(device: str = "cpu") -> bool:
    """Does the device compute in bfloat16 itself? Emulated it is several times slower than float32."""
    import torch

    return torch.device(device).type == "cuda" or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def versions() -> dict[str, str]:
    """Of what the speed depends on."""
    import av
    import numba
    import torch

    import taplab

    return {
        "taplab": taplab.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numba": numba.__version__,
        "av": av.__version__,
        "ffmpeg": av.ffmpeg_version_info,
        "system": platform.platform(),
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
