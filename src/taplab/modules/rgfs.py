r"""Residual-guided frame selection (Sec. 3.4): frames that are hard to warp become key frames."""

from typing import Literal

import numpy as np

from taplab.types import Residual

Unit = Literal["grey", "sum"]


def residual_score(residual: Residual, unit: Unit = "grey") -> float:
    r"""``sum |Res[p]|`` (Eq. 4), in grey levels per pixel or as the paper's raw sum.

    The paper sums over three colour channels; we measure the luma, so the raw sum is three times that of the luma.
    Its thresholds of 3.6e7 (1024x2048) and 1.8e7 (720x960) are 5.7 and 8.7 grey levels per pixel.
    """
    return residual.score if unit == "grey" else 3.0 * float(residual.sums.sum(dtype=np.int64))


def is_hard_to_warp(residual: Residual, threshold: float, unit: Unit = "grey") -> bool:
    r"""``RGFS(Res_t) > THR_RGFS``: this P-frame is to be seen by the network (Eq. 4)."""
    return residual_score(residual, unit) > threshold
