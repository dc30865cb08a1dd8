"""What a run saves, by the names of ``--save``."""

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from taplab.errors import SettingError
from taplab.output.backlog import Writer
from taplab.output.coco import CocoWriter, import_pycocotools
from taplab.output.folder import FILES
from taplab.output.masks import MaskWriter
from taplab.output.overlay import SMALLEST, OverlayWriter
from taplab.output.records import RecordWriter
from taplab.output.scores import ScoreWriter
from taplab.types import Result
from taplab.video.address import local_path

if TYPE_CHECKING:
    from taplab.segmentation import Segmentation

SAVE = tuple(FILES)
USUAL = ("overlay", "masks")


def check_save(save: Collection[str]) -> None:
    """Raises SettingError for what cannot be saved, MissingExtraError for what needs more than is installed."""
    for name in save:
        if name not in SAVE:
            raise SettingError(f"save {name!r}: choose from {', '.join(SAVE)}")
    if "coco" in save:
        import_pycocotools()


@contextmanager
def writing(run: "Segmentation", out: Path, save: Collection[str]) -> Iterator[Callable[[Result], None]]:
    """A function that writes one result everywhere; at the end all files are finished, after an error discarded."""
    with ExitStack() as stack:
        writers: list[Writer] = [stack.enter_context(writer) for writer in _at_once(run, out, save)]
        begun = "overlay" not in save

        def write(result: Result) -> None:
            nonlocal begun
            if not begun and min(result.labels.shape) < SMALLEST:
                run.notes.append(f"no overlay: a video of {SMALLEST}x{SMALLEST} pixels is the smallest")
            elif not begun:  # its size and rotation are known only now
                writers.append(stack.enter_context(_overlay(run, out, result)))
            begun = True
            for writer in writers:
                writer.write(result)

        yield write
        with run.stopwatch("write"):
            stack.close()
        for writer in writers:
            run.notes.extend(getattr(writer, "notes", ()))


def _at_once(run: "Segmentation", out: Path, save: Collection[str]) -> Iterator[Writer]:
    """Those that need no frame to begin."""
    model = run.model
    if "masks" in save:
        yield MaskWriter(out / "masks", model.palette)
    if "scores" in save:
        yield ScoreWriter(out / "scores")
    if "jsonl" in save:
        yield RecordWriter(out / "frames.jsonl", model.classes)
    if "coco" in save:
        yield CocoWriter(out / "coco.json", model.classes)


def _overlay(run: "Segmentation", out: Path, first: Result) -> OverlayWriter:
    source = run.source
    return OverlayWriter(
        out / "overlay.mp4",
        first.frame.width,
        first.frame.height,
        run.model.palette,
        time_base=first.frame.time_base,
        rate=source.rate,
        turns=first.frame.turns,
        audio_from=source.source if Path(local_path(source.source)).is_file() else None,
    )
