"""Values as JSON can hold them."""

import math
from typing import Any


def plain(value: Any) -> Any:
    """None for numbers that are not finite, however deep they are: JSON has no word for them."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
