"""Figures 1, 8 and 11: accuracy against speed, against the GOP length, against the blend weight."""

from typing import TYPE_CHECKING, Any

from taplab.errors import ModelError
from taplab.evaluation.bench import Bench
from taplab.evaluation.figures.names import name_markers
from taplab.evaluation.figures.sketch import Drawn
from taplab.evaluation.figures.style import (
    GREY,
    MODULE_COLOURS,
    MODULE_MARKERS,
    NETWORK_COLOURS,
    new_axes,
    new_figure,
    plain,
)
from taplab.evaluation.points import COMBINATIONS, GOPS, NETWORKS, RGC, Plan, Point, named
from taplab.evaluation.published import PAPER, SYSTEMS
from taplab.evaluation.score import Score

if TYPE_CHECKING:
    from matplotlib.axes import Axes

REAL_TIME = 15.0  # FPS, the paper's line
WEIGHTS = tuple(k / 10 for k in range(11))
PAPERS_WEIGHT = "in the paper the best weight lies strictly between 0 and 1"
HOLLOW = {"markerfacecolor": "white", "markersize": 8}


def _percent(score: Score) -> float:
    return round(100 * score.miou, 2)


# -- Figure 1 ---------------------------------------------------------------------------------------------------------


def speed_points(plan: Plan) -> list[Point]:
    """The networks on every frame, and with each combination of modules."""
    return [p for network in NETWORKS for p in _series(plan, network).values()]


def _series(plan: Plan, network: str) -> dict[tuple[str, ...], Point]:
    return {(): plan.per_frame(network)} | {m: plan.point(network, m) for m in COMBINATIONS}


def accuracy_against_speed(plan: Plan, bench: Bench, frame: int | None) -> Drawn:
    """Figure 1: ours filled, the published ones hollow."""
    figure = new_figure(9, 5.6)
    axes = new_axes(figure, "frames per second, network and warp alone (log)", "mIoU, %")
    data: dict[str, Any] = {"measured": [], "paper": [], "systems": []}
    for network in NETWORKS:
        measured = {m: bench.scores[p] for m, p in _series(plan, network).items() if p in bench.scores}
        ours = {m: (s.network_fps, _percent(s)) for m, s in measured.items() if s.network_fps == s.network_fps}
        paper = {m: (p.fps, p.miou) for m, p in _published(network).items() if p.fps and p.miou}
        for places, kind, style in ((ours, "measured", {"markersize": 9}), (paper, "paper", HOLLOW)):
            _path(axes, network, places, f"{network.upper()}, {kind}", style)
            data[kind] += [{"network": network, "modules": m, "fps": f, "miou": v} for m, (f, v) in places.items()]
    for system in SYSTEMS:
        if system.normalised_fps and not system.name.startswith("TapLab"):
            data["systems"].append({"name": system.name, "fps": system.normalised_fps, "miou": system.miou})
    others = [(s["fps"], s["miou"], s["name"]) for s in data["systems"]]
    for fps, miou, _ in others:
        axes.plot(fps, miou, "o", color="#999999", markersize=5, markerfacecolor="white")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.axvline(REAL_TIME, color=GREY, linestyle="--", linewidth=1)
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.05 * (high - low))
    axes.text(REAL_TIME * 1.03, 0.99, "15 FPS", color=GREY, va="top", transform=axes.get_xaxis_transform())
    _marker_legend(axes)
    name_markers(figure, axes, others, fontsize=8, color=GREY)
    return figure, data


def _published(network: str) -> dict[tuple[str, ...], Any]:
    rows = {(): PAPER.get((2, network))} | {m: PAPER.get((5, f"{network} {'+'.join(m)}")) for m in COMBINATIONS}
    return {m: p for m, p in rows.items() if p is not None}


def _path(
    axes: "Axes", network: str, places: dict[Any, tuple[float, float]], label: str, style: dict[str, Any]
) -> None:
    if not places:
        return
    colour = NETWORK_COLOURS[network]
    line = ":" if style is HOLLOW else "-"
    by_speed = sorted(places.values())
    axes.plot(*zip(*by_speed, strict=True), color=colour, linestyle=line, linewidth=1.2, label=label)
    for modules, (fps, miou) in places.items():
        axes.plot(fps, miou, MODULE_MARKERS[modules], color=colour, linestyle="none", **style)


def _marker_legend(axes: "Axes") -> None:
    """Colours say whose, shapes say how."""
    lines, names = axes.get_legend_handles_labels()
    for modules, marker in MODULE_MARKERS.items():
        lines += axes.plot([], [], marker, color="black", linestyle="none")
        names.append(named(modules) or "every frame")
    lines += axes.plot([], [], "o", color="#999999", markerfacecolor="white", linestyle="none", markersize=5)
    names.append("others, published")
    axes.legend(lines, names, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)


# -- Figure 8 ---------------------------------------------------------------------------------------------------------


def gop_points(plan: Plan) -> list[Point]:
    """BL2 with every combination at every GOP length."""
    return [plan.point("bl2", m, gop=gop) for gop in GOPS for m in COMBINATIONS]


def gop_curve(plan: Plan, bench: Bench, frame: int | None) -> Drawn:
    """Figure 8: mIoU over the length of the groups of pictures; the paper's dashed."""
    figure = new_figure(8.2, 4.8)
    axes = new_axes(figure, "length of the group of pictures (GOP), frames", "mIoU, %")
    data: dict[str, Any] = {"measured": {}, "paper": {}}
    for k, modules in enumerate(COMBINATIONS):
        points = {gop: plan.point("bl2", modules, gop=gop) for gop in GOPS}
        ours = {gop: _percent(bench.scores[p]) for gop, p in points.items() if p in bench.scores}
        paper = _published_gops(modules)
        colour, marker = MODULE_COLOURS[modules], MODULE_MARKERS[modules]
        under: dict[str, Any] = {
            "linewidth": 5 - 1.2 * k,
            "markersize": 13 - 2 * k,
        }  # equal curves show as one in another
        title = f"{named(modules)}, measured"
        axes.plot(list(ours), list(ours.values()), marker=marker, color=colour, label=title, **under)
        style: dict[str, Any] = {"linestyle": "--", "linewidth": 1.2, **HOLLOW}
        axes.plot(list(paper), list(paper.values()), marker=marker, color=colour, label="the paper's", **style)
        data["measured"]["+".join(modules)], data["paper"]["+".join(modules)] = ours, paper
    axes.set_xticks(GOPS)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    return figure, data


def _published_gops(modules: tuple[str, ...]) -> dict[int, float]:
    """Of Table 6; FFW with one more module is published for GOP 12 only (Table 5)."""
    rows = {gop: PAPER.get((6, f"{'+'.join(modules)} {gop}")) for gop in GOPS}
    rows[12] = rows[12] or PAPER.get((5, f"bl2 {'+'.join(modules)}"))
    return {gop: p.miou for gop, p in rows.items() if p is not None and p.miou is not None}


# -- Figure 11 --------------------------------------------------------------------------------------------------------


def weight_points(plan: Plan) -> list[Point]:
    """FFW + RGC at every blend weight, and FFW alone, with each network at hand."""
    return [p for network in plan.networks for p in (plan.point(network), *_weighted(plan, network).values())]


def _weighted(plan: Plan, network: str) -> dict[float, Point]:
    return {a: plan.point(network, RGC, alpha=a) for a in WEIGHTS}


def weight_curve(plan: Plan, bench: Bench, frame: int | None) -> Drawn:
    """Figure 11: mIoU over the weight of the network's scores in RGC's region (Eq. 6).

    Raises ModelError if no network takes regions.
    """
    found = {n: {a: bench.scores.get(p) for a, p in _weighted(plan, n).items()} for n in plan.networks}
    curves = {n: {a: _percent(s) for a, s in of.items() if s is not None} for n, of in found.items()}
    curves = {network: values for network, values in curves.items() if values}
    if not curves:
        raise ModelError(f"figure 11 shows RGC: {bench.why_not(plan.point(plan.networks[0], RGC))}")
    ffw = {network: _percent(bench.scores[plan.point(network)]) for network in curves}
    best = {network: _best(values) for network, values in curves.items()}
    figure = new_figure(1 + 5.2 * len(curves), 4.8)
    grid = figure.subplots(1, len(curves), squeeze=False)[0]
    for axes, (network, values) in zip(grid, curves.items(), strict=True):
        plain(axes, "blend weight a: 1 takes the network's scores,\n0 the warped ones, sampled again", "mIoU, %")
        _weights(axes, network, values, best[network], ffw[network])
    figure.suptitle(f"FFW + RGC; {PAPERS_WEIGHT}", fontsize=12)
    miou = {network: list(values.values()) for network, values in curves.items()}
    return figure, {"weights": WEIGHTS, "miou": miou, "ffw": ffw, "best": best, "paper": PAPERS_WEIGHT}


def _best(values: dict[float, float]) -> list[float]:
    """All weights at which it is reached."""
    return [a for a in values if values[a] == max(values.values())]


def _weights(axes: "Axes", network: str, values: dict[float, float], best: list[float], ffw: float) -> None:
    colour = NETWORK_COLOURS[network]
    axes.plot(list(values), list(values.values()), "o-", color=colour, label="FFW + RGC")
    axes.plot(best, [values[a] for a in best], "o", color=colour, markersize=13, markerfacecolor="none")
    axes.axhline(ffw, color=GREY, linestyle="--", linewidth=1.2, label=f"FFW alone, {ffw:.1f} %")
    where = "every weight" if len(best) == len(values) else ", ".join(f"{a:g}" for a in best)
    axes.set_title(f"{network.upper()}: best at {where}, {values[best[0]]:.1f} %")
    axes.set_xticks([k / 5 for k in range(6)])
    axes.legend(frameon=False)
