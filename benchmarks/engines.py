"""Milliseconds of one pass of the network in each engine that is installed, in turn, and how its labels agree.

    python benchmarks/engines.py [--model bl2-camvid] [--sizes 360x480,1024x2048] [--rounds 9] [--compile] [--json FILE]

A pass is what the pipeline pays for: from RGB uint8 to scores. The picture is a frame of a synthetic drive; engines
take turns, A B A B, and medians count. "agreement": labels as those of torch in float32, of all pixels of that frame.
"set-up": seconds until the first scores; export is left out, quantising is not. --compile adds torch.compile, which
needs a C++ compiler.
"""

from taplab.machine import machine  # isort: skip  (first: taplab sets how torch's threads wait)

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
import torch

from taplab import MissingExtraError, Model, OnnxModel, SyntheticDrive, TorchModel, load_model
from taplab.config import rows_and_columns
from taplab.labels import labels_from_scores
from taplab.memory import keep_freed_memory
from taplab.models.engine import exported
from taplab.models.export import export
from taplab.models.folded import folded
from taplab.models.openvino import OpenVinoModel
from taplab.models.torch import autocast_type

Make = Callable[[], Model]


def in_torch(name: str, dtype: torch.dtype, *, fixed: bool = False, compiled: bool = False) -> TorchModel:
    """fixed: batch norm folded, weights kept in ``dtype``, as ``load_model`` has it."""
    model = load_model(name)
    assert isinstance(model, TorchModel)
    model.dtype, model.fixed = dtype, fixed
    if compiled:
        model.net = torch.compile(folded(model.net, dtype))  # type: ignore[assignment]
    return model


def in_int8(name: str, folder: Path) -> OnnxModel:
    """Quantised with frames of another drive than the one it is measured on."""
    pictures = [rgb for rgb, _ in SyntheticDrive(360, 480, 96, seed=1)][::8]
    export(in_torch(name, torch.float32), folder / "int8.onnx", pictures=pictures)
    return OnnxModel(folder / "int8.onnx")


def engines(name: str, folder: Path, *, compiled: bool) -> dict[str, Make]:
    """Those that are installed, torch in float32 first; bfloat16 where the processor computes with it."""
    types = {"float32": torch.float32}
    if autocast_type("auto", "cpu") == torch.bfloat16:
        types["bfloat16"] = torch.bfloat16
    file = exported(in_torch(name, torch.float32))
    made: dict[str, Make] = {f"torch {known}": partial(in_torch, name, dtype) for known, dtype in types.items()}
    for known, dtype in types.items():
        made[f"torch {known}, folded"] = partial(in_torch, name, dtype, fixed=True)
        if compiled:
            made[f"torch.compile {known}, folded"] = partial(in_torch, name, dtype, compiled=True)
    made["ONNX Runtime float32"] = partial(OnnxModel, file)
    made["ONNX Runtime int8"] = partial(in_int8, name, folder)
    for known in types:
        made[f"OpenVINO {known}"] = partial(OpenVinoModel, file, precision=known)
    return made


def measure(makes: dict[str, Make], size: tuple[int, int], rounds: int) -> list[dict[str, float | str]]:
    """A row an engine."""
    image = next(iter(SyntheticDrive(*size, 2, seed=101)))[0][None]
    models, set_up, labels = {}, {}, {}
    for engine, make in makes.items():
        started = time.perf_counter()
        with suppress(MissingExtraError):
            models[engine] = make()
            labels[engine] = labels_from_scores(models[engine](image)[0], size)
            set_up[engine] = time.perf_counter() - started
    taken: dict[str, list[float]] = {engine: [] for engine in models}
    for _ in range(rounds):
        for engine, model in models.items():
            started = time.perf_counter()
            model(image)
            taken[engine].append(1e3 * (time.perf_counter() - started))
    reference = next(iter(models))
    return [
        {
            "engine": engine,
            "ms": round(statistics.median(ms), 2),
            "fastest ms": round(min(ms), 2),
            "speed-up": round(statistics.median(a / b for a, b in zip(taken[reference], ms, strict=True)), 2),
            "agreement": round(float(np.mean(labels[engine] == labels[reference])), 5),
            "set-up": round(set_up[engine], 1),
        }
        for engine, ms in taken.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="bl2-camvid")
    parser.add_argument("--sizes", default="360x480,1024x2048")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    keep_freed_memory()  # as in every run of taplab's
    about = f"{args.model}, {machine()}, {torch.get_num_threads()} threads, {date.today().isoformat()}"
    print(f"{about}\n")
    with tempfile.TemporaryDirectory() as folder:
        makes, sizes = engines(args.model, Path(folder), compiled=args.compile), {}
        for text in args.sizes.split(","):
            sizes[text] = measure(makes, rows_and_columns("--sizes", text), args.rounds)
            show(text, sizes[text])
    if args.json:
        args.json.write_text(json.dumps({"about": about, "sizes": sizes}, indent=2) + "\n")


def show(size: str, rows: list[dict[str, float | str]]) -> None:
    print(f"| {size}, ms | median | fastest | speed-up | agreement | set-up, s |\n|" + " --- |" * 6)
    for row in rows:
        ms, best = row["ms"], row["fastest ms"]
        share = f"{100 * float(row['agreement']):.2f} %"
        print(f"| {row['engine']} | {ms} | {best} | {row['speed-up']} | {share} | {row['set-up']} |")
    print()


if __name__ == "__main__":
    main()
