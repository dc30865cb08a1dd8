"""``taplab eval``: accuracy against truth, cost and speed."""

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from taplab.cli import options
from taplab.cli.app import app, reported
from taplab.errors import OutputError, SettingError, SourceError

if TYPE_CHECKING:
    from taplab.data.labelled import LabelledImages
    from taplab.evaluation.protocol import Way

evaluation = typer.Typer(no_args_is_help=True, help="Score modes against true labels, on the same decoded frames.")
app.add_typer(evaluation, name="eval")


@evaluation.callback()
def _group() -> None:
    """Keeps `sequence` a subcommand."""


@evaluation.command()
@reported
def sequence(
    images: Annotated[Path, typer.Option(help="Folder of consecutive frames, in name order.")],
    labels: Annotated[Path, typer.Option(help="Folder of label images of the same names: class ids in one channel.")],
    classes: Annotated[str, typer.Option(help="camvid, or a text file with one class name a line.")] = "camvid",
    fps: Annotated[float, typer.Option(min=0.1, help="Frame rate of the clip that is made of them.")] = 15.0,
    codec: Annotated[str, typer.Option(help="mpeg4, h264, hevc, mpeg2video, …")] = "mpeg4",
    gop: Annotated[int, typer.Option(min=1, help="I-frames every so many frames.")] = 12,
    quality: Annotated[float | None, typer.Option(help="Quantiser (MPEG-4: 3) or crf (H.264: 23).")] = None,
    model: options.Model = "bl2-camvid",
    modes: Annotated[str, typer.Option(help="Of per-frame, paper and offline.")] = "per-frame,paper,offline",
    modules: options.Modules = "ffw",
    interval: options.Interval = 12,
    phases: Annotated[int, typer.Option(min=1, help="Mean over so many positions of the key frames.")] = 1,
    device: options.Device = "cpu",
    lanes: options.Lanes = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the scores here.")] = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Score modes on a labelled image sequence, encoded by the real encoder."""
    from taplab import PaperSettings, load_model
    from taplab.evaluation.protocol import Way, mean_of_phases, score
    from taplab.video.encode import encode_clip

    settings = PaperSettings(modules=options.modules(modules), interval=interval)
    ways = [Way(mode, settings) for mode in options.modules(modes)]
    data = _labelled(images, labels, classes)
    network = load_model(model, device=device)
    if len(network.classes) != len(data.classes):
        raise SettingError(
            f"{model} knows {len(network.classes)} classes, the labels have {len(data.classes)}; see --classes"
        )
    runs: dict[Way, list[object]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as folder:
        for phase in range(phases):
            first_gop = gop - phase * gop // phases
            clip = encode_clip(
                Path(folder) / "clip.mkv",
                (data[i][0] for i in range(len(data))),
                codec=codec,
                fps=fps,
                gop=gop,
                quality=quality,
                first_gop=first_gop,
            )
            network.warm_up(data[0][1].shape)
            for way in ways:
                runs[way].append(score(clip, data.load_labels, len(data), network, way, gop=gop, lanes=lanes))
    scores = [mean_of_phases(runs[way]) for way in ways]  # type: ignore[arg-type]
    if not quiet:
        _print(ways, scores)
    if json_file is not None:
        _save(scores, json_file)


def _labelled(images: Path, labels: Path, classes: str) -> "LabelledImages":
    from taplab.data import camvid
    from taplab.data.labelled import LabelledImages
    from taplab.output.palettes import palette_for

    names: tuple[str, ...]
    if classes == "camvid":
        names = camvid.CLASSES
    elif Path(classes).is_file():
        names = tuple(line.strip() for line in Path(classes).read_text().splitlines() if line.strip())
    else:
        raise SourceError(f"--classes {classes}: write camvid, or a text file with one class name a line")
    return LabelledImages(images, labels, names, palette_for(len(names)))


def _print(ways: "list[Way]", scores: list[dict[str, object]]) -> None:
    table = Table("mode", "mIoU", "pixel accuracy", "consistency", "network cost", "fps", "speed-up")
    first = scores[0]["fps"]
    for way, s in zip(ways, scores, strict=True):
        table.add_row(
            way.title,
            f"{100 * float(str(s['miou'])):.1f}",
            f"{100 * float(str(s['pixel_accuracy'])):.1f}",
            f"{100 * float(str(s['temporal_consistency'])):.1f}",
            f"{s['network_cost']:.3f}",
            f"{s['fps']:.1f}",
            f"{float(str(s['fps'])) / float(str(first)):.1f}",
        )
    Console().print(table)


def _save(scores: list[dict[str, object]], path: Path) -> None:
    try:
        path.write_text(json.dumps(scores, indent=2) + "\n")
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error
