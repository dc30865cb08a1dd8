"""``taplab doctor``: what is installed, and does it work here?"""

import importlib.metadata
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from taplab.cli import options
from taplab.cli.app import app, reported
from taplab.threads import cores
from taplab.words import counted

_CORE = ("av", "numba", "numpy", "pillow", "rich", "safetensors", "torch", "typer")
_EXTRAS = {
    "onnxruntime": "onnx",
    "transformers": "hf",
    "openvino": "openvino",
    "matplotlib": "eval",
    "pycocotools": "coco",
}


@app.command(short_help="Check the installation.")
@reported
def doctor(verbose: options.Verbose = False) -> None:
    """Check the installation: versions, processor, devices, and a small video from encoder to mask."""
    print(f"python {platform.python_version()}, {platform.platform()}")
    print(f"{counted(os.cpu_count() or 1, 'processor')}, {cores()} of them for this process")
    for package in _CORE:
        print(f"  {package} {importlib.metadata.version(package)}")
    for package, extra in _EXTRAS.items():
        try:
            print(f"  {package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            print(f"  {package} is not installed: pip install 'taplab[{extra}]' if you need it")
    checks: list[tuple[str, Callable[[], str]]] = [
        ("torch", _torch),
        ("encoder", _encoder),
        ("models", _models),
        ("kernels", _kernels),
        ("segmentation", _segmentation),
    ]
    failed = [name for name, check in checks if not _passes(name, check)]
    if failed:
        print(f"{len(failed)} of {len(checks)} checks failed: {', '.join(failed)}")
        raise typer.Exit(1)
    print("all checks passed")


def _passes(name: str, check: Callable[[], str]) -> bool:
    try:
        print(f"  {name}: {check()}")
    except Exception as error:  # whatever is broken is what the user wants to see
        print(f"  {name}: FAILED: {type(error).__name__}: {error}")
        return False
    return True


def _torch() -> str:
    import torch

    from taplab.machine import has_fast_bfloat16

    bf16 = "bfloat16 is fast" if has_fast_bfloat16() else "no fast bfloat16"
    return f"{torch.get_num_threads()} threads, {bf16}, {_gpu()}"


def _gpu() -> str:
    import torch

    from taplab.scoremap.on_device import has_triton

    if not torch.cuda.is_available():
        return "no CUDA device"
    without = "" if has_triton() else " without triton: scores come to the processor (pip install triton)"
    return torch.cuda.get_device_name() + without


def _encoder() -> str:
    import av

    missing = [name for name in ("libx264", "mpeg4") if name not in av.codecs_available]
    if missing:
        raise RuntimeError(f"PyAV's FFmpeg lacks {', '.join(missing)}; reinstall it: pip install --force-reinstall av")
    return f"FFmpeg of PyAV {av.__version__} has libx264 and mpeg4"


def _models() -> str:
    from taplab.models.bundled import bundled
    from taplab.models.load import load_model

    for name in bundled():
        load_model(name).warm_up((64, 96))
    return ", ".join(bundled())


def _kernels() -> str:
    """Compiles what the modes need, so that no first run has to wait for it."""
    from taplab import PaperSettings, Segmenter, SyntheticDrive
    from taplab.scoremap.contours import _fill
    from taplab.video.encode import encode_clip

    frames = [rgb for rgb, _ in SyntheticDrive(128, 192, 30, seed=1)]
    cropped = [rgb[:, :-32] for rgb in frames]  # rows of other lengths in memory, and as they are shown
    clips: dict[str, dict[str, Any]] = {
        "mpeg4": {"frames": frames},
        "h264": {"frames": frames},
        "b-frames": {"frames": cropped, "codec": "h264", "options": {"bf": "3"}},
    }
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        for name, how in clips.items():
            clip = encode_clip(Path(folder) / f"{name}.mp4", **{"codec": name, **how})
            for mode in ("paper", "live", "offline"):
                Segmenter("bl2-synthetic", mode=mode, settings=PaperSettings()).run(clip, Path(folder) / "out")
        edges = PaperSettings(("ffw",), interval=24, edges=True)
        Segmenter("bl2-synthetic", settings=edges, quality=1.0).run(clip, Path(folder) / "out")
    taken = time.perf_counter() - started
    kernel: Any = _fill
    return f"compiled, or found, in {taken:.1f} s; kept in {kernel.stats.cache_path}"


def _segmentation() -> str:
    from taplab import PaperSettings, Segmenter, SyntheticDrive
    from taplab.video.encode import encode_clip

    drive = SyntheticDrive(128, 192, 8, seed=1)
    with tempfile.TemporaryDirectory() as folder:
        clip = encode_clip(Path(folder) / "clip.mp4", (rgb for rgb, _ in drive))
        summary = Segmenter("bl2-synthetic", settings=PaperSettings(("ffw",))).run(clip, Path(folder) / "out")
    if summary.frames != 8 or summary.motion.get("codec") != 7:
        raise RuntimeError(f"expected 8 frames, 7 of them with vectors: {summary.frames}, {summary.motion}")
    return f"8 frames, {summary.key_frames} of them by the network"
