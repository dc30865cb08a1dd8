"""``taplab models``: what ``--model`` accepts, how large it is and where it came from."""

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from taplab.cli import options
from taplab.cli.app import app, reported
from taplab.cli.json_file import save_json
from taplab.config import rows_and_columns

_PAPER_CLASSES = 19  # Cityscapes: for the untrained networks
_UNTRAINED = "untrained: begin with `taplab train`"


@dataclass(frozen=True)
class Row:
    """One model. multiply_adds: at ``size`` (rows, columns); of a network made for warping also those between key
    frames. classes: names, or how many an untrained network got.
    """

    model: str
    network: str
    parameters: int
    multiply_adds: int
    between_key_frames: int | None
    size: tuple[int, int]
    stride: int
    classes: tuple[str, ...] | int
    origin: str


@app.command(short_help="List the models and what they cost.")
@reported
def models(
    files: Annotated[list[str] | None, typer.Argument(help="Your own weights to list too: what train wrote.")] = None,
    size: Annotated[str, typer.Option(help="Rows x columns at which multiply-adds are counted.")] = "1024x2048",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the list to this file.")] = None,
    verbose: options.Verbose = False,
) -> None:
    """List the bundled models, the paper's untrained networks and your own weights."""
    from taplab.models.bundled import bundled
    from taplab.models.zoo import ARCHITECTURES

    at = rows_and_columns("--size", size)
    rows = [_trained(name, at) for name in (*bundled(), *(files or []))]
    rows += [_row(name, name, 1.0, _PAPER_CLASSES, _UNTRAINED, at) for name in ARCHITECTURES]
    if json_file is not None:
        save_json([asdict(row) for row in rows], json_file)
    _show(rows, size)


def _trained(name: str, size: tuple[int, int]) -> Row:
    from taplab.models.bundled import weights_of
    from taplab.models.pretrained import read_card

    file = weights_of(name) or Path(name)
    card = read_card(file)
    return _row(name, card.architecture, card.width, card.classes, origin_of(file), size)


def origin_of(file: Path) -> str:
    """What the weights were trained on: as they say, or as the "data" row of the model card beside them does."""
    from taplab.models.pretrained import read_card

    if origin := read_card(file).origin:
        return origin
    card = file.with_suffix(".md")
    data = re.search(r"^\| data \| (.*?) \|$", card.read_text(), re.MULTILINE) if card.is_file() else None
    return f"trained here on {data[1]} (see {card.name})" if data else "unknown"


def _row(
    name: str, architecture: str, width: float, classes: tuple[str, ...] | int, origin: str, size: tuple[int, int]
) -> Row:
    import torch

    from taplab.models.cost import multiply_adds
    from taplab.models.zoo import build

    with torch.device("meta"):  # shapes without memory
        net = build(architecture, classes if isinstance(classes, int) else len(classes), width)
    parameters = sum(p.numel() for p in net.parameters())
    stride = int(net.stride)  # type: ignore[arg-type]
    network = f"{architecture} x{width:g}"
    work, follow_cost = multiply_adds(net, size), getattr(net, "follow_cost", None)
    between = None if follow_cost is None else round(work * follow_cost)
    return Row(name, network, parameters, work, between, size, stride, classes, origin)


def _show(rows: list[Row], size: str) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("model", "network", "parameters", "GMAC", "stride", "classes", title=f"Input of {size}")
    for column in (*table.columns[1:3], *table.columns[4:]):
        column.no_wrap = True
    table.columns[0].overflow = "fold"  # a path is shown whole
    table.columns[0].min_width = 14
    for row in rows:
        count = row.classes if isinstance(row.classes, int) else len(row.classes)
        between = "" if row.between_key_frames is None else f", {row.between_key_frames / 1e9:.1f} between key frames"
        work = f"{row.multiply_adds / 1e9:.1f}{between}"
        figures = f"{row.parameters / 1e6:.2f} M", work, f"1/{row.stride}", str(count)
        table.add_row(escape(row.model), row.network, *figures)
    Console().print(table)
    for row in rows:
        names = "" if isinstance(row.classes, int) else f"; classes: {', '.join(row.classes)}"
        print(f"{row.model}: {row.origin}{names}")
    print(
        "For --model: a trained one above, FILE.safetensors, onnx:FILE.onnx, openvino:FILE.xml, hf:NAME_OR_FOLDER, "
        "python:MODULE:CALLABLE"
    )
