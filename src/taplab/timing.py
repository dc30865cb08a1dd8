"""Where the time goes: seconds added up by stage."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

STAGES = ("decode", "motion", "residual", "network", "warp", "labels", "write")


class Stopwatch:
    """Adds up seconds by stage, from any thread. Stages on different threads overlap: they can exceed the total."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = dict.fromkeys(STAGES, 0.0)
        self._lock = threading.Lock()

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """``with stopwatch("decode"): …``"""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.add(stage, time.perf_counter() - started)

    def add(self, stage: str, seconds: float) -> None:
        """Adds to a stage."""
        with self._lock:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds
