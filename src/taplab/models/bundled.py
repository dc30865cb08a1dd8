"""Weights files: those that ship with taplab, and those that users name."""

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
_SUFFIX = ".safetensors"


def bundled() -> list[str]:
    """Names of the models whose weights ship with taplab."""
    return sorted(f.stem for f in WEIGHTS.glob(f"*{_SUFFIX}"))


def weights_of(name: str) -> Path | None:
    """The weights file of a bundled model, or that a file or folder is; None for a model without one."""
    if name in bundled():
        return WEIGHTS / f"{name}{_SUFFIX}"
    file = in_folder(name)
    return file if file.suffix == _SUFFIX else None


def in_folder(path: str | Path) -> Path:
    """``path``, or the weights file in it if it is a folder."""
    path = Path(path)
    return path / f"model{_SUFFIX}" if path.is_dir() else path
