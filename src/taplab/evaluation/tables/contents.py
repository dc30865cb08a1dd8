"""The rows of the paper's Tables 2 to 8."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from taplab.evaluation.points import ALL, COMBINATIONS, FFW, GOPS, NETWORKS, RGC, Plan, named
from taplab.evaluation.published import PAPER, SYSTEMS, Published
from taplab.evaluation.tables.table import Row, Table
from taplab.policies import PaperSettings
from taplab.types import RESIDUAL_BLOCK

# Rows x columns of region and stride, at 1024x2048. The stride of the first two is not known here: 256 is taken.
REGIONS = (((256, 256), 256), ((256, 512), 256), ((512, 512), 512), ((512, 512), 256))
_NO_WEIGHTS = "its weights are not to be had here"


def _paper(table: int, row: str) -> Published:
    return PAPER.get((table, row), Published())


def networks(plan: Plan) -> Table:
    """Table 2: what the networks reach when they see every frame."""
    rows = [Row((n.upper(),), plan.per_frame(n), _paper(2, n)) for n in NETWORKS]
    return Table(2, "The networks on every frame", ("network",), tuple(rows))


def propagation(plan: Plan) -> Table:
    """Table 3: ways of carrying scores from the key frame."""
    flows = dict.fromkeys(("dis", "farneback", "net", plan.flow))
    rows = [
        Row(("interpolation (ITP)",), plan.point("bl2", mode="itp"), _paper(3, "itp")),
        *(Row((f"flow: {name}",), plan.point("bl2", mode=f"flow:{name}")) for name in flows),
        *(Row((f"flow: {name}",), None, _paper(3, name), _NO_WEIGHTS) for name in ("FlowNet2", "PWC-Net")),
        Row(("FFW",), plan.point("bl2"), _paper(3, "ffw")),
    ]
    notes = (
        "Propagation: the warp stage, seconds over all frames of the clip divided by their number. An optical flow's "
        "own time counts in it, reading the stream's vectors does not (it is a stage of decoding).",
    )
    return Table(3, "Propagation, BL2", ("propagation",), tuple(rows), notes, milliseconds=True)


def regions(plan: Plan) -> Table:
    """Table 4: shape and stride of RGC's regions."""
    rows = []
    for network, cases in (("bl1", REGIONS), ("bl2", REGIONS[-1:]), ("bl3", REGIONS[-1:])):
        for shape, step in cases:
            region, stride = scaled(shape, plan.size), scaled((step, step), plan.size)
            sides: dict[str, Any] = {"region": region, "stride": stride}
            if (shape, step) == REGIONS[-1]:  # the default, whatever the settings say
                sides = {"region": None, "stride": None}
                region, stride = replace(plan, settings=PaperSettings(FFW)).region_and_stride
            key = f"{network} {_sides(shape)}" + (f", stride {step}" if shape == (512, 512) else "")
            cells = network.upper(), f"{_sides(shape)}, {step}", f"{_sides(region)}, {_sides(stride)}"
            rows.append(Row(cells, plan.point(network, RGC, **sides), _paper(4, key)))
    notes = (
        "Regions are the paper's, of 1024 rows, scaled to the frame in whole blocks of 16 pixels. The stride of the "
        "first two is not known to us: 256 is taken.",
    )
    heads = "network", "region, stride of 1024x2048", "here"
    return Table(4, "RGC: shape and stride of the regions, FFW + RGC", heads, tuple(rows), notes)


def scaled(sides: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of 1024x2048 as the same share of the frame's height, in whole blocks, within the frame."""
    blocks = [-(-side * size[0] // (1024 * RESIDUAL_BLOCK)) for side in sides]
    most = [max(length // RESIDUAL_BLOCK, 1) for length in size]
    return min(blocks[0], most[0]) * RESIDUAL_BLOCK, min(blocks[1], most[1]) * RESIDUAL_BLOCK


def _sides(sides: tuple[int, int]) -> str:
    return f"{sides[0]}x{sides[1]}"


def modules(plan: Plan) -> Table:
    """Table 5: the modules one by one."""
    blocks = [("bl1", "paper"), ("bl2", "paper"), ("bl2", f"flow:{plan.flow}"), ("bl3", "paper")]
    rows = []
    for network, mode in blocks:
        flow = mode != "paper"
        for combination in COMBINATIONS:
            title = named(combination).replace("FFW", f"flow ({plan.flow})") if flow else named(combination)
            key = f"{network} {'flow ' if flow else ''}{'+'.join(combination)}"
            cells = network.upper(), title
            rows.append(Row(cells, plan.point(network, combination, mode=mode), _paper(5, key)))
    notes = (
        "The paper's flow is PWC-Net, its value that of Table 3; those of BL1 and BL3 with FFW + RGC are of Table 4.",
    )
    return Table(5, "The modules one by one", ("network", "modules"), tuple(rows), notes)


def intervals(plan: Plan) -> Table:
    """Table 6: the length of the groups of pictures."""
    rows = [
        Row((named(m), str(gop)), plan.point("bl2", m, gop=gop), _paper(6, f"{'+'.join(m)} {gop}"))
        for m in (FFW, ALL)
        for gop in GOPS
    ]
    return Table(6, "Length of the group of pictures (GOP), BL2", ("modules", "GOP"), tuple(rows))


def systems(plan: Plan) -> Table:
    """Table 7: other systems on Cityscapes, as published, and ours as measured here."""
    rows = [
        Row(("BL2 on every frame",), plan.per_frame("bl2"), _paper(7, "per-frame")),
        Row(("BL2, FFW",), plan.point("bl2", FFW), _paper(7, "ffw")),
        Row(("BL2, FFW + RGC + RGFS",), plan.point("bl2", ALL), _paper(7, "ffw+rgc+rgfs")),
        Row(("BL2, mode offline",), plan.point("bl2", FFW, mode="offline")),
    ]
    notes = (
        "Other systems are not measured here: their rows are those of the publications named, on Cityscapes. FPS "
        "normalised: divided by the speed of the card relative to a GTX 1080 Ti (Titan X of the Maxwell kind 0.61, "
        "Titan Xp 1.12, as in the SwiftNet paper, CVPR 2019); - where that is not known. Rows of the paper's table "
        "that could not be traced to a publication are left out.",
        "Our speeds are not normalised: they belong to the hardware above. Mode offline is not in the paper.",
        "The paper's 1024x1024 row is not measured here: frames keep their shape.",
    )
    title = "Comparison with other systems"
    return Table(7, title, ("measured here",), tuple(rows), notes, systems=SYSTEMS)


def camvid(plan: Plan) -> Table:
    """Table 8: BL2 with every combination of modules; the paper's is of CamVid."""
    rows = [Row(("on every frame",), plan.per_frame("bl2"), _paper(8, "per-frame"))]
    rows += [Row((named(m),), plan.point("bl2", m), _paper(8, "+".join(m))) for m in COMBINATIONS]
    notes = ("The paper's values are of CamVid at 720x960.",)
    return Table(8, "The modules, BL2", ("BL2",), tuple(rows), notes)


TABLES: dict[int, Callable[[Plan], Table]] = {
    2: networks,
    3: propagation,
    4: regions,
    5: modules,
    6: intervals,
    7: systems,
    8: camvid,
}
