"""``taplab eval``: accuracy against truth, cost and speed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from taplab.cli.app import app, reported
from taplab.cli.eval_options import RunOptions, with_run_options

if TYPE_CHECKING:
    from taplab.data.clips import ClipSet

evaluation = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Score modes against true labels.")
app.add_typer(evaluation, name="eval")

Root = Annotated[Path, typer.Option(help="Folder of the data set.")]
Clips = Annotated[
    int | None, typer.Option("--max-clips", min=1, help="At most so many clips, spread evenly over the split.")
]


@evaluation.command()
@reported
@with_run_options
def sequence(
    images: Annotated[Path, typer.Option(help="Folder of consecutive frames, in name order.")],
    labels: Annotated[Path, typer.Option(help="Folder of label images of the same names; some frames may have none.")],
    classes: Annotated[str, typer.Option(help="camvid, cityscapes, or a text file with a name a line.")] = "camvid",
    fps: Annotated[float, typer.Option(min=0.1, help="Frame rate of the clip that is made of them.")] = 15.0,
    *,
    options: RunOptions,
) -> None:
    """A folder of frames and one of labels."""
    from taplab.data.sequence import sequence_clips

    _run(sequence_clips(images, labels, classes, fps), options)


@evaluation.command()
@reported
@with_run_options
def cityscapes(
    root: Root,
    split: Annotated[str, typer.Option(help="val, train or test.")] = "val",
    max_clips: Clips = None,
    stills: Annotated[
        bool, typer.Option("--stills", help="Without leftImg8bit_sequence: labelled images as clips of one frame.")
    ] = False,
    *,
    options: RunOptions,
) -> None:
    """Cityscapes in its published folder layout, with leftImg8bit_sequence."""
    from taplab.data.cityscapes import cityscapes_clips

    _run(cityscapes_clips(root, split, max_clips, stills=stills), options)


@evaluation.command()
@reported
@with_run_options
def camvid(
    root: Root,
    split: Annotated[str, typer.Option(help="Folder NAME beside NAMEannot, or train, val, test.")] = "test",
    frames: Annotated[
        Path | None, typer.Option(help="Frames of the videos, where --root has the labelled ones.")
    ] = None,
    max_clips: Clips = None,
    stills: Annotated[
        bool, typer.Option("--stills", help="Images without neighbours, too, as clips of one frame.")
    ] = False,
    *,
    options: RunOptions,
) -> None:
    """CamVid, as 360x480 with 11 classes or as 720x960 with colour labels."""
    from taplab.data.camvid import camvid_clips

    _run(camvid_clips(root, split, frames=frames, max_clips=max_clips, stills=stills), options)


@evaluation.command()
@reported
@with_run_options
def synthetic(
    seeds: Annotated[str, typer.Option(help="Of the drives.")] = "11,12,13",
    size: Annotated[str, typer.Option(help="Rows x columns.")] = "1024x2048",
    frames: Annotated[int, typer.Option(min=2, help="Of each drive.")] = 36,
    speeds: Annotated[str, typer.Option(help="Of slow, medium and fast.")] = "medium",
    *,
    options: RunOptions,
) -> None:
    """Synthetic drives: exact truth for every frame, no data needed."""
    from taplab.config import rows_and_columns
    from taplab.data.drives import drive_clips
    from taplab.errors import SettingError
    from taplab.words import name_list

    try:
        numbers = [int(part) for part in name_list(seeds)]
    except ValueError as error:
        raise SettingError(f"--seeds {seeds}: write numbers, such as 11,12") from error
    height, width = rows_and_columns("--size", size)
    _run(drive_clips(numbers, height, width, frames, speeds=name_list(speeds)), options)


def _run(clips: "ClipSet", given: RunOptions) -> None:
    """Scores the modes; or makes the tables and figures of the paper that were asked for."""
    if given.table or given.figure:
        from taplab.cli.eval_paper import reproduce

        reproduce(clips, given)
    else:
        from taplab.cli.eval_scores import score_modes

        score_modes(clips, given)
