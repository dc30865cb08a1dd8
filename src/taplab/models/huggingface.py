"""Segmentation networks of Hugging Face's ``transformers``: ``hf:NAME`` or ``hf:FOLDER``."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from taplab.errors import MissingExtraError, ModelError
from taplab.models.torch import IMAGENET_MEAN, IMAGENET_STD, TorchModel, resized

if TYPE_CHECKING:
    from transformers import PretrainedConfig

_QUERIES = ("mask2former", "maskformer")
_TRIED = (150, 250)  # rows, columns: no multiples of what a network may want


def load_huggingface(name: str, *, device: str = "cpu") -> TorchModel:
    """A network for semantic segmentation: its class names, mean and std are those of the folder or repository.

    It sees frames at their own size, or at the size it was made for if it takes no other (then crops are off); its
    processor's resizing is left out. Raises ModelError if there is no such network, MissingExtraError without
    ``transformers``, DeviceError.
    """
    try:
        import transformers
        from transformers.image_processing_base import ImageProcessingMixin
    except ImportError as error:
        raise MissingExtraError("hf: models need transformers: pip install 'taplab[hf]'") from error
    if Path(name).is_absolute() and not Path(name).is_dir():
        raise ModelError(f"hf:{name}: no such folder")
    _silence(transformers.logging)
    try:
        config = transformers.AutoConfig.from_pretrained(name)
        kind = _kind_of(transformers, config, name)
        net = kind.from_pretrained(name)
    except (OSError, ValueError, ImportError) as error:
        raise ModelError(f"hf:{name}: cannot be loaded: {_first_line(error)}") from error
    try:
        processing: dict[str, Any] = ImageProcessingMixin.get_image_processor_dict(name)[0]
    except (OSError, ValueError):
        processing = {}
    mean, std = _normalisation(processing)
    net = _OfQueries(net) if config.model_type in _QUERIES else net
    size = None if _takes_any_size(net) else _own_size(config)
    return TorchModel(
        net if size is None else _AtSize(net, size),
        classes=[config.id2label[i] for i in range(config.num_labels)],
        mean=mean,
        std=std,
        name=f"hf:{name}",
        device=device,
        takes_crops=size is None,
    )


class _OfQueries(nn.Module):
    """Scores of networks that answer with classes and masks of queries (Cheng et al. 2021, semantic inference)."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        """``[N, 3, H, W]`` to the sum over queries of class probability times mask probability, ``[N, C, h, w]``."""
        out = self.net(pixel_values=x)
        classes = out.class_queries_logits.softmax(-1)[..., :-1]  # without "no object"
        return torch.einsum("nqc,nqhw->nchw", classes, out.masks_queries_logits.sigmoid())


class _AtSize(nn.Module):
    """Shows ``net`` pictures of one size."""

    def __init__(self, net: nn.Module, size: tuple[int, int]) -> None:
        super().__init__()
        self.net, self.size = net, size

    def forward(self, x: Tensor) -> Any:
        """``[N, 3, H, W]`` of any size to what ``net`` returns."""
        return self.net(resized(x, self.size))


def _kind_of(transformers: Any, config: "PretrainedConfig", name: str) -> Any:
    """The class that loads it."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING_NAMES as SEMANTIC

    if config.model_type in _QUERIES:
        return transformers.AutoModelForUniversalSegmentation
    if config.model_type in SEMANTIC:
        return transformers.AutoModelForSemanticSegmentation
    raise ModelError(f"hf:{name}: {config.model_type} is no network for semantic segmentation")


def _silence(logging: Any) -> None:
    """What a network was saved with and does not need is no matter for taplab's users."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()


def _normalisation(processing: dict[str, Any]) -> tuple[Any, Any]:
    """Mean and std of RGB in 0..1."""
    if not processing.get("do_normalize", True):
        return (0, 0, 0), (1, 1, 1)
    return processing.get("image_mean") or IMAGENET_MEAN, processing.get("image_std") or IMAGENET_STD


@torch.inference_mode()
def _takes_any_size(net: nn.Module) -> bool:
    try:
        net.eval()(torch.zeros(1, 3, *_TRIED))
    except Exception:  # whatever a network raises that is made for one size
        return False
    return True


def _own_size(config: "PretrainedConfig") -> tuple[int, int]:
    size = getattr(config, "image_size", None)
    if isinstance(size, int):
        return size, size
    if isinstance(size, list | tuple) and len(size) == 2:
        return cast("tuple[int, int]", tuple(int(side) for side in size))
    raise ModelError(
        f"hf:{config.name_or_path}: takes no frame of {_TRIED[0]}x{_TRIED[1]}, and names no size of its own"
    )


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
