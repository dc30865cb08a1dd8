"""Where the time goes: seconds added up by stage."""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

STAGES = ("decode", "motion", "residual", "network", "warp", "labels", "write")

T = TypeVar("T")


class Stopwatch:
    """Adds up seconds by stage, from any thread. Stages on different threads overlap: they can exceed the total.

    Within a thread every moment counts once: a stage that begins inside another one interrupts it.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = dict.fromkeys(STAGES, 0.0)
        self._lock = threading.Lock()
        self._running = threading.local()

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """``with stopwatch("decode"): …``"""
        inner: list[float] = self._running.__dict__.setdefault("inner", [])  # seconds of stages within each open one
        inner.append(0.0)
        started = time.perf_counter()
        try:
            yield
        finally:
            elapsed = time.perf_counter() - started
            self.add(stage, elapsed - inner.pop())
            if inner:
                inner[-1] += elapsed

    def each(self, stage: str, items: Iterable[T]) -> Iterator[T]:
        """Passes ``items`` on; the time that each of them takes to come goes to ``stage``."""
        iterator = iter(items)
        while True:
            with self(stage):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item

    def add(self, stage: str, seconds: float) -> None:
        """Adds to a stage."""
        with self._lock:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds
