"""What is worked out at the first look."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar, cast

T = TypeVar("T")


class Once(Generic[T]):
    """The result of ``work``, which whoever asks first does; threads that ask meanwhile wait for it."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work: Callable[[], T] | None = work
        self._lock = threading.Lock()
        self._value: T | None = None

    @property
    def value(self) -> T:
        """Raises what ``work`` raised, then and at every other look."""
        with self._lock:
            if self._work is not None:
                self._value = self._work()
                self._work = None  # lets go of what it took
            return cast(T, self._value)
