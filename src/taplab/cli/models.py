"""``taplab models``: what ``--model`` accepts."""

from rich.console import Console
from rich.table import Table

from taplab.cli import options
from taplab.cli.app import app, reported


@app.command()
@reported
def models(verbose: options.Verbose = False) -> None:
    """List the bundled models."""
    from taplab.models.load import bundled, weights_file
    from taplab.models.pretrained import load_pretrained, read_card

    table = Table("model", "network", "parameters", "classes", title="Bundled models")
    for name in bundled():
        card = read_card(weights_file(name))
        count = sum(p.numel() for p in load_pretrained(weights_file(name)).net.parameters())
        table.add_row(name, f"{card.architecture} x{card.width:g}", f"{count / 1e6:.2f} M", ", ".join(card.classes))
    Console().print(table)
    print("Your own: --model FILE.safetensors, onnx:FILE.onnx, python:MODULE:CALLABLE")
