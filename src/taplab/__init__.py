"""taplab: semantic video segmentation, several times faster, from what the compressed stream already knows.

>>> import taplab
>>> seg = taplab.Segmenter("bl2-camvid")          # doctest: +SKIP
>>> for result in seg.stream("drive.mp4"):        # doctest: +SKIP
...     result.labels                             # uint8 [H, W]
"""

import importlib
from typing import TYPE_CHECKING, Any

from taplab.kernels import keep_kernels
from taplab.threads import share_politely

__version__ = "0.1.0"

share_politely()
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
    "Reading": "taplab.video",
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

if TYPE_CHECKING:  # the same, for type checkers and editors
    from taplab.data.synthetic import SyntheticDrive as SyntheticDrive
    from taplab.errors import DeviceError as DeviceError
    from taplab.errors import MissingExtraError as MissingExtraError
    from taplab.errors import ModelError as ModelError
    from taplab.errors import OutputError as OutputError
    from taplab.errors import SettingError as SettingError
    from taplab.errors import SourceError as SourceError
    from taplab.errors import TaplabError as TaplabError
    from taplab.models.base import Model as Model
    from taplab.models.load import load_model as load_model
    from taplab.models.onnx import OnnxModel as OnnxModel
    from taplab.models.pretrained import load_pretrained as load_pretrained
    from taplab.models.pretrained import save_pretrained as save_pretrained
    from taplab.models.torch import TorchModel as TorchModel
    from taplab.output.summary import Summary as Summary
    from taplab.policies import PaperSettings as PaperSettings
    from taplab.segmentation import Segmentation as Segmentation
    from taplab.segmenter import Segmenter as Segmenter
    from taplab.types import CodedFrame as CodedFrame
    from taplab.types import Motion as Motion
    from taplab.types import MotionField as MotionField
    from taplab.types import Region as Region
    from taplab.types import Residual as Residual
    from taplab.types import Result as Result
    from taplab.video import Reading as Reading
    from taplab.video import open_video as open_video

__all__ = [*sorted(_WHERE), "__version__"]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name not in _WHERE:
            raise AttributeError(f"module 'taplab' has no attribute {name!r}")
        return getattr(importlib.import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return list(__all__)
