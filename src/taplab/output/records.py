"""``frames.jsonl``: what is known of each frame, one JSON object a line."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from taplab.output.listing import Listing
from taplab.types import Result


class RecordWriter(Listing):
    """``path``, in display order, each line whole as soon as it is there; see ``Listing`` and ``record``.

    classes: names.
    """

    def __init__(self, path: Path | str, classes: Sequence[str]) -> None:
        super().__init__(path)
        self._classes = classes

    def _said(self, result: Result) -> str:
        return json.dumps(record(result, self._classes), ensure_ascii=False) + "\n"


def record(result: Result, classes: Sequence[str]) -> dict[str, Any]:
    """Of one frame: how its labels came about and what is in it.

    network_cost: pixels given to the network for it, over its own; above 1 where a region was tried on a key frame.
    region: top, left, rows, columns in pixels, as the frame is coded. residual: grey levels per pixel. shares: of the
    frame's pixels, by the names of the classes it has.
    """
    region, pixels = result.region, result.labels.size
    shares: Counter[str] = Counter()
    counts = np.bincount(result.labels.ravel(), minlength=len(classes))[: len(classes)]
    for name, count in zip(classes, counts.tolist(), strict=True):
        shares[name] += count
    return {
        "index": result.index,
        "pts_seconds": result.pts_seconds,
        "kind": result.kind,
        "origin": result.origin,
        "key": result.key,
        "damaged": result.damaged,
        "network_cost": round(float(result.frame.seen), 4),
        "region": None if region is None else [region.top, region.left, region.height, region.width],
        "residual": None if result.residual is None else round(result.residual, 3),
        "motion": None if result.frame.motion is None else result.frame.motion.origin,
        "shares": {name: round(count / pixels, 6) for name, count in shares.items() if count},
    }
