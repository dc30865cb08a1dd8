"""``taplab export``: a network of taplab as a file for other engines."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from taplab.cli import options
from taplab.cli.app import app, reported
from taplab.words import counted

if TYPE_CHECKING:
    from taplab.models.torch import TorchModel
    from taplab.types import Rgb


@app.command(short_help="Write a model to a file for other engines.")
@reported
def export(
    model: Annotated[str, typer.Argument(help="A bundled model, or a .safetensors file or folder.")],
    out: Annotated[Path, typer.Option("-o", "--out", parser=options.path, help="FILE.onnx, or FILE.xml for OpenVINO.")],
    int8: Annotated[
        str | None,
        typer.Option(
            metavar="VIDEO",
            help="Quantise to int8 (FILE.onnx alone), by frames of a video like those that will be segmented.",
        ),
    ] = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Write MODEL to a file for ONNX Runtime, OpenVINO and others: any number of images, rows and columns."""
    from taplab import load_model
    from taplab.models.export import check_format, export, exportable
    from taplab.models.quantised import pictures_of

    check_format(out, int8=int8 is not None)
    network = exportable(load_model(model))
    pictures, others = ([], []) if int8 is None else pictures_of(int8)
    origin = _origin(model) if int8 is None else f"{_origin(model)}; int8 by frames of {Path(int8).name}"
    files = export(network, out, origin, pictures or None)
    if quiet:
        return
    for file in files:
        print(f"{network.name} -> {file} ({file.stat().st_size / 1e6:.1f} MB)")
    if others:
        _compare(network, out, others)


def _compare(network: "TorchModel", file: Path, pictures: "Sequence[Rgb]") -> None:
    """Says how often int8 gives the labels of the network itself."""
    from taplab import OnnxModel
    from taplab.models.quantised import agreement

    share = agreement(network, OnnxModel(file), pictures)
    print(f"labels as before: {100 * share:.2f} % of the pixels of {counted(len(pictures), 'other frame')}")


def _origin(name: str) -> str:
    """Of weights that taplab saved; a network made by ``python:`` has no such file."""
    from taplab.cli.models import origin_of
    from taplab.models.bundled import weights_of

    file = weights_of(name)
    return "" if file is None else origin_of(file)
