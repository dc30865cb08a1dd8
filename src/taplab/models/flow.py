"""Learned optical flow."""

import json
from pathlib import Path

from safetensors.torch import save_file

from taplab.errors import OutputError
from taplab.models.zoo.flownet import FlowNet


def save_flow_net(net: FlowNet, path: Path) -> Path:
    """Writes the weights in half precision."""
    about = {"taplab": json.dumps({"architecture": "flownet"})}
    try:
        save_file({k: v.half().contiguous() for k, v in net.state_dict().items()}, path, about)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error
    return path
