"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from taplab.cli.app import reported
from taplab.config import read_config
from taplab.errors import SettingError
from taplab.words import name_list


@reported
def _take_defaults(ctx: typer.Context, path: Path | None) -> Path | None:
    """What the file says becomes the default of the command's options; options on the command line win."""
    if path is not None:
        ctx.default_map = read_config(path).defaults()
    return path


@reported
def path(text: str | Path) -> Path:
    """Not an empty one, as of a variable of the shell that is not set: it would be taken for this folder."""
    if text == "":
        raise SettingError("-o: its name is empty; give a folder or file, or . for this folder")
    return Path(text)


Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        is_eager=True,  # before any default is looked up
        callback=_take_defaults,
        help="TOML file of settings, such as `taplab calibrate` writes; options given here win over it.",
    ),
]
Model = Annotated[
    str,
    typer.Option(
        "--model",
        help="A bundled model (see `taplab models`), a .safetensors file or folder, onnx:FILE, "
        "openvino:FILE, hf:NAME_OR_FOLDER, python:MODULE:CALLABLE.",
    ),
]
Engine = Annotated[
    str | None,
    typer.Option(
        "--engine",
        show_default="torch",
        help="What runs one of taplab's own networks on the processor: torch, onnx, openvino, or auto: the fastest "
        "that is installed, timed once.",
    ),
]
Device = Annotated[str, typer.Option("--device", help="cpu or cuda.")]
Interval = Annotated[
    int,
    typer.Option(
        "--interval", min=1, help="At most this many frames from one key frame, which the network sees, to the next."
    ),
]
DialInterval = Annotated[
    int | None,
    typer.Option(
        "--interval",
        min=1,
        show_default="12; 24 with --budget, --quality or --target-fps",
        help="At most this many frames from one key frame, which the network sees, to the next.",
    ),
]
Budget = Annotated[
    float | None, typer.Option("--budget", help="Network cost at most, such as 0.1; the interval adapts to the motion.")
]
MaxLoss = Annotated[
    float | None,
    typer.Option(
        "--quality",
        "--max-loss",
        help="Points of mIoU that may be lost to the network on every frame, as predicted.",
    ),
]
TargetFps = Annotated[
    float | None,
    typer.Option("--target-fps", help="Frames per second to sustain: as many key frames as time allows (mode live)."),
]
Modules = Annotated[
    str, typer.Option("--modules", help="Of the paper's algorithm: ffw alone or with rgc, rgfs or both.")
]
ModulesByThreshold = Annotated[
    str | None,
    typer.Option(
        "--modules",
        show_default="ffw; ffw,rgfs with --thr-rgfs",
        help="Of the paper's algorithm: ffw alone or with rgc, rgfs or both.",
    ),
]
Alpha = Annotated[float, typer.Option("--alpha", min=0, max=1, help="Weight of the network in an RGC region (Eq. 6).")]
ThrRgc = Annotated[int, typer.Option("--thr-rgc", min=0, max=254, help="THR_RGC, grey levels.")]
ThrRgfsIfAny = Annotated[
    str | None,
    typer.Option(
        "--thr-rgfs", show_default="5.7", help="THR_RGFS in grey levels per pixel; followed by 'sum', the raw sum."
    ),
]
Region = Annotated[
    str | None,
    typer.Option("--region", metavar="HxW", help="RGC region, rows x columns; default: half the height, square."),
]
Stride = Annotated[
    str | None,
    typer.Option("--stride", metavar="HxW", help="From one RGC region to the next; default: half the region."),
]
Edges = Annotated[bool, typer.Option("--edges", help="Snap the contours of labels to the edges in the picture.")]
Motion = Annotated[
    str,
    typer.Option(
        "--motion", help="codec: the stream's vectors; refined: a new search from there; auto: refined where it pays."
    ),
]
Lanes = Annotated[
    int | None,
    typer.Option("--lanes", min=1, help="Groups of frames worked on in parallel, which share network calls."),
]
Processes = Annotated[
    int,
    typer.Option(
        "--processes", min=1, help="Worker processes that share a file, each with its own copy of the network."
    ),
]
MaxFrames = Annotated[int | None, typer.Option("--max-frames", min=1, help="Stop after this many frames.")]
Timeout = Annotated[
    float, typer.Option("--timeout", help="Seconds without data after which a URL or playlist counts as dead.")
]
Reconnect = Annotated[
    float, typer.Option("--reconnect", help="Seconds to keep trying when a live source is lost; 0: do not.")
]
KeepAll = Annotated[
    bool, typer.Option("--keep-all", help="Keep every frame of a live source, even if processing falls behind.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Print more, and tracebacks of errors.")]

modules = name_list  # "ffw,rgc" to ("ffw", "rgc")
