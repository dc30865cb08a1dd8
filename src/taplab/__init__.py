"""taplab: semantic video segmentation, several times faster, from what the compressed stream already knows.

>>> import taplab
>>> seg = taplab.Segmenter("bl2-camvid")          # doctest: +SKIP
>>> for result in seg.stream("drive.mp4"):        # doctest: +SKIP
...     result.labels                             # uint8 [H, W]
"""

import importlib
from typing import Any

from taplab.kernels import keep_kernels
from taplab.threads import wait_politely

__version__ = "0.1.0"

wait_politely()
keep_kernels()

# Public name -> module. Loaded at first use: `import taplab` stays light and does not load torch.
_WHERE = {
    "Segmenter": "taplab.segmenter",
    "Segmentation": "taplab.segmentation",
    "Summary": "taplab.output.summary",
    "Result": "taplab.types",
    "CodedFrame": "taplab.types",
    "Motion": "taplab.types",
    "MotionField": "taplab.types",
    "Residual": "taplab.types",
    "Region": "taplab.types",
    "Model": "taplab.models.base",
    "TorchModel": "taplab.models.torch",
    "OnnxModel": "taplab.models.onnx",
    "load_model": "taplab.models.load",
    "load_pretrained": "taplab.models.pretrained",
    "save_pretrained": "taplab.models.pretrained",
    "PaperSettings": "taplab.policies",
    "open_video": "taplab.video",
    "SyntheticDrive": "taplab.data.synthetic",
    "TaplabError": "taplab.errors",
    "SourceError": "taplab.errors",
    "ModelError": "taplab.errors",
    "DeviceError": "taplab.errors",
    "OutputError": "taplab.errors",
    "SettingError": "taplab.errors",
    "MissingExtraError": "taplab.errors",
}

__all__ = [*sorted(_WHERE), "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'taplab' has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return list(__all__)
