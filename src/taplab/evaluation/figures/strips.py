"""Figures 7, 9, 10, 12 and 13: one frame by several ways of working, as pictures."""

from dataclasses import replace
from typing import Any

import numpy as np

from taplab.errors import ModelError
from taplab.evaluation.bench import Bench
from taplab.evaluation.figures.scene import Scene, scenes
from taplab.evaluation.figures.sheet import Legend, Panel, label_picture, sheet, wrapped
from taplab.evaluation.figures.sketch import Drawn
from taplab.evaluation.points import COMBINATIONS, FFW, RGC, RGFS, Plan, Point, named
from taplab.output.pictures import motion_picture, residual_picture
from taplab.types import IGNORE, Labels, Result

MOST_CLIPS = 3  # side by side in Figures 12 and 13


class Strip:
    """Panels of one scene, one after another. shares: of the labelled pixels that are right, by title."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.truth = scene, scene.truth()
        self.panels = [Panel("frame", scene.picture)]
        self.shown: list[Labels] = []
        self.shares: dict[str, float] = {}

    def add(self, title: str, result: Result, *, region: bool = False) -> None:
        """The labels of a way."""
        self.shown.append(result.labels)
        picture = label_picture(result.labels, self.scene.palette)
        if self.truth is not None:
            known = self.truth != IGNORE
            if known.any():
                self.shares[title] = round(float(np.mean(result.labels[known] == self.truth[known])), 4)
                title = f"{title}: {100 * self.shares[title]:.1f} % right"
        self.panels.append(Panel(title, picture, result.region if region else None))

    def add_point(self, title: str, point: Point, bench: Bench) -> None:
        """The same of a point, or why it cannot be shown."""
        reason = bench.why_not(point)
        if reason is None:
            self.add(title, self.scene.result(point.way))
        else:
            self.panels.append(Panel(title, f"not shown:\n{reason}"))

    def add_truth(self) -> None:
        """The true labels, if there are any."""
        if self.truth is not None:
            self.shown.append(self.truth)
            self.panels.append(Panel("truth", label_picture(self.truth, self.scene.palette)))

    def add_motion(self, result: Result) -> None:
        """What FFW follows."""
        frame = result.frame
        if frame.motion is not None:
            self.panels.append(Panel("motion vectors", motion_picture(frame.motion, frame.height, frame.width)))

    def add_residual(self, result: Result) -> None:
        """What the modules look at."""
        frame = result.frame
        if frame.residual is not None:
            picture = residual_picture(frame.residual, frame.height, frame.width)
            self.panels.append(Panel("residual", picture, result.region))

    @property
    def legend(self) -> Legend:
        """Of the classes in any panel."""
        clips = self.scene.subject.clips
        return Legend(clips.classes, clips.palette, self.shown)

    def drawn(self, title: str, **data: Any) -> Drawn:
        """Three panels a row."""
        figure = sheet(wrapped(self.panels, 3), f"{title}\n{self.scene.title}", self.legend)
        return figure, {"scene": self.scene.title, "right": self.shares, **data}


def propagation(plan: Plan, bench: Bench, frame: int | None) -> Drawn:
    """Figure 7: ways of propagation, half way to the next key frame, where interpolation is farthest from both."""
    strip = Strip(scenes(bench, "bl2", plan.gop, frame, distance=plan.gop // 2)[0])
    strip.add_point("per frame", plan.per_frame("bl2"), bench)
    strip.add_point("interpolation (ITP)", plan.point("bl2", mode="itp"), bench)
    strip.add_point(f"optical flow ({plan.flow})", plan.point("bl2", mode=f"flow:{plan.flow}"), bench)
    strip.add_point("FFW", plan.point("bl2"), bench)
    strip.add_truth()
    return strip.drawn("Propagation from the key frame")


def correction(plan: Plan, bench: Bench, frame: int | None) -> Drawn:
    """Figure 9: FFW without and with RGC, and the region that it chose."""
    reason = bench.why_not(plan.point("bl2", RGC))
    if reason is not None:
        raise ModelError(f"figure 9 shows RGC: {reason}")
    strip = Strip(scenes(bench, "bl2", plan.gop, frame)[0])
    warped, corrected = (strip.scene.result(plan.point("bl2", m).way) for m in (FFW, RGC))
    strip.add_residual(corrected)
    strip.add_point("per frame", plan.per_frame("bl2"), bench)
    strip.add("FFW", replace(warped, region=corrected.region), region=True)
    strip.add("FFW + RGC", corrected, region=True)
    strip.add_truth()
    return strip.drawn("Residual-guided correction: the region with the largest residual is given to the network")


def selection(plan: Plan, bench: Bench, frame: int | None) -> Drawn:
    """Figure 10: FFW without and with RGFS, on a frame that RGFS makes a key frame.

    Without ``frame`` it is the one of the largest residual among those, or among the labelled ones if there are none.
    If the shown frame is under the threshold, the threshold is lowered for the picture, which says so.
    """
    scene = scenes(bench, "bl2", plan.gop, frame)[0]
    results = list(scene.results(plan.point("bl2", RGFS).way, plan.gop))
    selected = [result for result in results[1:] if result.key]
    labelled = [result for result in results[1:] if scene.first + result.index in scene.clip.labelled]
    shown = max(selected or labelled, key=_residual) if frame is None else results[scene.position]
    scene, residual, note, lowered = replace(scene, position=shown.index), _residual(shown), "", None
    selection = shown
    if not shown.key:
        lowered = float(f"{0.9 * residual:.3g}")  # differs from the residual as it is printed
        selection = scene.result(plan.point("bl2", RGFS, thr_rgfs=lowered, thr_rgfs_unit="grey").way)
        note = f"\nTHR_RGFS is lowered to {lowered:.3g} for this picture: at {_threshold(plan)} it is not chosen"
    strip = Strip(scene)
    strip.add_motion(shown)
    strip.add_residual(shown)
    strip.add("FFW", scene.result(plan.point("bl2").way))
    strip.add("FFW + RGFS", selection)
    strip.add_truth()
    title = f"Residual-guided frame selection: residual {residual:.3g} grey levels per pixel{note}"
    return strip.drawn(title, residual=round(residual, 4), threshold_lowered=lowered)


def _threshold(plan: Plan) -> str:
    unit = " as a sum" if plan.settings.thr_rgfs_unit == "sum" else ""
    return f"{plan.settings.thr_rgfs:g}{unit}"


def _residual(result: Result) -> float:
    return result.residual or 0.0


def modules(plan: Plan, bench: Bench, frame: int | None) -> Drawn:
    """Figures 12 and 13: every combination of modules; up to three clips side by side."""
    strips = [Strip(scene) for scene in scenes(bench, "bl2", plan.gop, frame, most=MOST_CLIPS)]
    for strip in strips:
        strip.add_point("per frame", plan.per_frame("bl2"), bench)
        for combination in COMBINATIONS:
            strip.add_point(named(combination), plan.point("bl2", combination), bench)
        strip.add_truth()
    clips = strips[0].scene.subject.clips
    legend = Legend(clips.classes, clips.palette, [labels for strip in strips for labels in strip.shown])
    if len(strips) == 1:
        rows = wrapped(strips[0].panels, 2)
    else:
        rows = [list(row) for row in zip(*(strip.panels for strip in strips), strict=True)]
    title = "; ".join(strip.scene.title for strip in strips)
    figure = sheet(rows, title, legend)
    return figure, {"scenes": [{"scene": s.scene.title, "right": s.shares} for s in strips]}
