"""The paper's figures, measured and drawn again (extra ``eval``)."""

from pathlib import Path

from taplab.evaluation.bench import Bench
from taplab.evaluation.figures import curves, maps, strips
from taplab.evaluation.figures.sketch import Sketch
from taplab.evaluation.figures.style import check_matplotlib, footer, save, styled
from taplab.evaluation.points import Plan
from taplab.evaluation.setting import Setting

__all__ = ["FIGURES", "Sketch", "check_matplotlib", "draw", "title"]

_SKETCHES = (
    Sketch(1, "Accuracy against speed", curves.accuracy_against_speed, curves.speed_points, timed=True),
    Sketch(5, "Motion vectors", maps.motion_map),
    Sketch(6, "Residual", maps.residual_map),
    Sketch(7, "Propagation", strips.propagation),
    Sketch(8, "Accuracy over the GOP length", curves.gop_curve, curves.gop_points),
    Sketch(9, "FFW and RGC", strips.correction),
    Sketch(10, "FFW and RGFS", strips.selection),
    Sketch(11, "Accuracy over the blend weight", curves.weight_curve, curves.weight_points),
    Sketch(12, "The modules in pictures (the paper's: Cityscapes)", strips.modules),
    Sketch(13, "The modules in pictures (the paper's: CamVid)", strips.modules),
)
FIGURES = {sketch.number: sketch for sketch in _SKETCHES}


def title(sketch: Sketch, setting: Setting) -> str:
    """Says of which data it is."""
    return f"{sketch.title}; {setting.data}"


def draw(sketch: Sketch, plan: Plan, bench: Bench, setting: Setting, folder: Path, frame: int | None) -> list[Path]:
    """Draws from the scores of the bench, the setting below, and saves PNG, SVG and the plotted data as JSON.

    Raises MissingExtraError without matplotlib, OutputError, and SettingError for a frame that cannot be shown.
    """
    check_matplotlib()
    facts = {"figure": sketch.number, "title": title(sketch, setting), "setting": setting.as_json()}
    with styled():
        figure, data = sketch.draw(plan, bench, frame)
        footer(figure, [*setting.lines(timed=sketch.timed)[:-1], f"taplab {setting.taplab}"])
        return save(figure, facts | data, folder, sketch.number)
