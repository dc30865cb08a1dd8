"""``taplab export``: a network of taplab as a file for other engines."""

from pathlib import Path
from typing import Annotated

import typer

from taplab.cli import options
from taplab.cli.app import app, reported


@app.command(short_help="Write a model to a file for other engines.")
@reported
def export(
    model: Annotated[str, typer.Argument(help="A bundled model, or a .safetensors file or folder.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="FILE.onnx, or FILE.xml for OpenVINO.")],
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Write MODEL to a file for ONNX Runtime, OpenVINO and others: any number of images, rows and columns."""
    from taplab import load_model
    from taplab.models.export import check_format, export, exportable

    check_format(out)
    network = exportable(load_model(model))
    files = export(network, out, _origin(model))
    if not quiet:
        for file in files:
            print(f"{network.name} -> {file} ({file.stat().st_size / 1e6:.1f} MB)")


def _origin(name: str) -> str:
    """Of weights that taplab saved; a network made by ``python:`` has no such file."""
    from taplab.cli.models import origin_of
    from taplab.models.load import weights_of

    file = weights_of(name)
    return "" if file is None else origin_of(file)
