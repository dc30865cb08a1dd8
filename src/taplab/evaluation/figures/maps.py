"""Figures 5 and 6: what the stream says of a frame, as colour."""

from taplab.errors import SourceError
from taplab.evaluation.bench import Bench
from taplab.evaluation.figures.scene import Scene, scenes
from taplab.evaluation.figures.sheet import Panel, sheet
from taplab.evaluation.figures.sketch import Drawn
from taplab.evaluation.points import RGFS, Plan
from taplab.output.pictures import motion_picture, residual_picture
from taplab.types import CodedFrame, Motion, Residual


def motion_map(plan: Plan, bench: Bench, frame: int | None) -> Drawn:
    """Figure 5: motion vectors, hue by direction, saturation by length."""
    scene, coded, motion, _ = _coded(plan, bench, frame)
    picture = motion_picture(motion, coded.height, coded.width)
    title = "motion vectors: hue is the direction, saturation the length"
    figure = sheet([[Panel("frame", coded.rgb()), Panel(title, picture)]], scene.title)
    vectors = motion.fields[0].vectors.round(2).tolist()
    return figure, {"scene": scene.title, "vectors": vectors, "coded": motion.coded.tolist()}


def residual_map(plan: Plan, bench: Bench, frame: int | None) -> Drawn:
    """Figure 6: mean residual of each block, as heat."""
    scene, coded, _, residual = _coded(plan, bench, frame)
    picture = residual_picture(residual, coded.height, coded.width)
    title = "residual: mean |Res| of each 16x16 block"
    figure = sheet([[Panel("frame", coded.rgb()), Panel(title, picture)]], scene.title)
    return figure, {"scene": scene.title, "grey_levels_per_pixel": residual.score, "sums": residual.sums.tolist()}


def _coded(plan: Plan, bench: Bench, frame: int | None) -> tuple[Scene, CodedFrame, Motion, Residual]:
    """The shown frame with the motion and the residual that it was coded with."""
    (scene,) = scenes(bench, "bl2", plan.gop, frame)
    never = plan.point("bl2", RGFS, thr_rgfs=1e12).way
    coded = scene.result(never).frame
    if coded.motion is None or coded.residual is None:
        raise SourceError(f"{scene.title}: {bench.encoding.codec} gives it no motion; choose another with --frame")
    return scene, coded, coded.motion, coded.residual
