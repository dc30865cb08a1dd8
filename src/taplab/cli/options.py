"""Options that several commands share."""

from typing import Annotated

import typer

from taplab.errors import SettingError

Model = Annotated[
    str,
    typer.Option(
        "--model",
        help="A bundled model (see `taplab models`), a .safetensors file or folder, onnx:FILE, python:MODULE:CALLABLE.",
    ),
]
Device = Annotated[str, typer.Option("--device", help="cpu or cuda.")]
Interval = Annotated[int, typer.Option("--interval", min=1, help="At most so many frames between network key frames.")]
Modules = Annotated[
    str, typer.Option("--modules", help="Of the paper's algorithm: ffw alone or with rgc, rgfs or both.")
]
Lanes = Annotated[int | None, typer.Option("--lanes", min=1, help="Runs of frames that share network calls.")]
MaxFrames = Annotated[int | None, typer.Option("--max-frames", min=1, help="Stop after so many frames.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Print more, and tracebacks of errors.")]


def modules(text: str) -> tuple[str, ...]:
    """ "ffw,rgc" to ("ffw", "rgc")."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def rows_by_columns(option: str, text: str) -> tuple[int, int]:
    """ "1024x2048" to (1024, 2048). Raises SettingError."""
    sides = text.lower().split("x")
    if len(sides) != 2 or not all(side.isascii() and side.isdigit() and int(side) > 0 for side in sides):
        raise SettingError(f"{option} {text}: write ROWSxCOLUMNS, such as 800x800")
    return int(sides[0]), int(sides[1])
