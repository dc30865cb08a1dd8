"""How a network of ``transformers`` wants its pictures: what its own image processor does to colours."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from taplab.errors import ModelError, TaplabError
from taplab.models.torch import IMAGENET_MEAN, IMAGENET_STD

_FILES = ("preprocessor_config.json", "processor_config.json")


@dataclass(frozen=True)
class Wanted:
    """mean, std: of RGB in 0..1, as ``TorchModel`` takes them. bgr: blue first."""

    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    bgr: bool = False


def wanted_pictures(name: str) -> Wanted:
    """What the processor of a folder or repository says; ImageNet's mean and std where it has none.

    Raises ModelError if there is one that cannot be read.
    """
    if not _has_processor(name):
        return Wanted()
    with told(name, f"its {_FILES[0]} cannot be used"):
        import transformers

        kind: Any = transformers.AutoImageProcessor
        said = kind.from_pretrained(name)
        scale = said.rescale_factor if getattr(said, "do_rescale", True) else 1  # x of 0..255: (x * scale - mean) / std
        normalised = bool(getattr(said, "do_normalize", True))
        mean, std = (_for_each(v) for v in ((said.image_mean, said.image_std) if normalised else (0, 1)))
        mean, std = (tuple(v / scale / 255 for v in numbers) for numbers in (mean, std))
        return Wanted(mean, std, bool(getattr(said, "do_flip_channel_order", False)))


@contextmanager
def told(name: str, what: str) -> Iterator[None]:
    """Whatever ``transformers`` and the libraries below it raise for a folder becomes a ModelError of one line."""
    try:
        yield
    except TaplabError:
        raise
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise ModelError(f"hf:{name}: {what}: {lines[0] if lines else type(error).__name__}") from error


def _has_processor(name: str) -> bool:
    from transformers.utils.hub import cached_file

    for file in _FILES:
        try:
            cached_file(name, file)
        except OSError:
            continue
        return True
    return False


def _for_each(value: Any) -> tuple[float, ...]:
    """One number for each of red, green and blue: transformers also takes one for all."""
    return tuple(map(float, value)) if isinstance(value, list | tuple) else (float(value),) * 3
