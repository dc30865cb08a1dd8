"""Segmentation networks of Hugging Face's ``transformers``: ``hf:NAME`` or ``hf:FOLDER``."""

from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from taplab.errors import MissingExtraError, ModelError
from taplab.models.huggingface_pictures import told, wanted_pictures
from taplab.models.torch import TorchModel, resized

if TYPE_CHECKING:
    from transformers import PretrainedConfig

_QUERIES = ("mask2former", "maskformer")
_TRIED = (150, 250)  # rows, columns: no multiples of what a network may want


def load_huggingface(name: str, *, device: str = "cpu") -> TorchModel:
    """A network for semantic segmentation: class names and normalisation are the folder's or repository's.

    It computes in float32 and sees frames at their own size, enlarged to multiples of its patches where it has any, or
    at the size it was made for if it takes no other (then crops are off); its processor's resizing is left out.
    Raises ModelError if there is no such network, or it lacks weights; MissingExtraError without ``transformers``;
    DeviceError.
    """
    try:
        import transformers
    except ImportError as error:
        raise MissingExtraError("hf: models need transformers: pip install 'taplab[hf]'") from error
    if Path(name).is_absolute() and not Path(name).is_dir():
        raise ModelError(f"hf:{name}: no such folder")
    _silence(transformers.logging)
    with told(name, "cannot be loaded"):
        config = transformers.AutoConfig.from_pretrained(name)
        net = _loaded(_kind_of(transformers, config, name), name)
    wanted = wanted_pictures(name)
    net = _OfQueries(net) if config.model_type in _QUERIES else net
    net = nn.Sequential(_Flipped(), net) if wanted.bgr else net
    refusal = _refusal(net)
    size = None if refusal is None else _own_size(config, refusal)
    patch = getattr(config, "patch_size", None)
    return TorchModel(
        net if size is None else _AtSize(net, size),
        classes=_classes_of(config, name),
        mean=wanted.mean,
        std=wanted.std,
        name=f"hf:{name}",
        device=device,
        takes_crops=size is None,
        multiple=patch if size is None and isinstance(patch, int) else 1,
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


class _Flipped(nn.Module):
    """Blue first."""

    def forward(self, x: Tensor) -> Tensor:
        """RGB ``[N, 3, H, W]`` to BGR."""
        return x.flip(1)


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


def _loaded(kind: Any, name: str) -> nn.Module:
    """In float32, whatever it was saved in. What a checkpoint lacks, transformers would fill with random weights."""
    net, info = kind.from_pretrained(name, output_loading_info=True, ignore_mismatched_sizes=True)
    if lacking := sorted([*info["missing_keys"], *(key for key, *_ in info["mismatched_keys"])]):
        raise ModelError(
            f"hf:{name}: has no weights that fit {lacking[0]}; give a checkpoint that was trained for semantic "
            "segmentation, with its own config.json"
        )
    loaded: nn.Module = net.float()
    return loaded


def _classes_of(config: Any, name: str) -> list[str]:
    numbers = range(config.num_labels)
    if missing := [i for i in numbers if i not in config.id2label]:
        raise ModelError(f"hf:{name}: id2label in its config.json has no class {missing[0]}; number them from 0")
    return [config.id2label[i] for i in numbers]


@torch.inference_mode()
def _refusal(net: nn.Module) -> Exception | None:
    """What a network raises that is shown a picture of an odd size; None if it takes it."""
    try:
        net.eval()(torch.zeros(1, 3, *_TRIED))
    except Exception as error:  # whatever a network raises that is made for one size
        return error
    return None


def _own_size(config: "PretrainedConfig", refusal: Exception) -> tuple[int, int]:
    size = getattr(config, "image_size", None)
    if isinstance(size, int):
        return size, size
    if isinstance(size, list | tuple) and len(size) == 2:
        return cast("tuple[int, int]", tuple(int(side) for side in size))
    said = shorten(f"{type(refusal).__name__}: {refusal}", 200)
    raise ModelError(
        f"hf:{config.name_or_path}: takes no frame of {_TRIED[0]}x{_TRIED[1]} ({said}), and names no size of its own"
    )
