"""Work handed to other threads, with a bound on how much may wait."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from time import perf_counter
from types import TracebackType
from typing import Any, Self

from taplab.types import Result


class Writer(ABC):
    """A context: files are finished at its end, discarded after an error, which matters more than one of ours."""

    @abstractmethod
    def write(self, result: Result) -> None:
        """Take one frame; frames come in display order."""

    @abstractmethod
    def close(self) -> None:
        """Wait until all is on the disk. May be called again."""

    @abstractmethod
    def abort(self) -> None:
        """Stop without finishing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()


class Backlog:
    """Runs jobs on ``workers`` threads; at most ``most`` of them are unfinished, so that memory stays bounded.

    waited: seconds the caller has been held up by jobs that were not done.
    """

    def __init__(self, name: str, workers: int, most: int) -> None:
        self.waited = 0.0
        self._most = most
        self._unfinished: deque[Future[None]] = deque()
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix=name)

    def add(self, job: Callable[..., None], *arguments: Any) -> None:
        """Queue a job. Raises what an earlier job raised."""
        while self._unfinished and (len(self._unfinished) >= self._most or self._unfinished[0].done()):
            self._finish_oldest()
        self._unfinished.append(self._threads.submit(job, *arguments))

    def finish(self) -> None:
        """Wait for all jobs and stop the threads. Raises the first error, after the other jobs have run."""
        try:
            while self._unfinished:
                self._finish_oldest()
        finally:
            self.stop()

    def stop(self) -> None:
        """Wait for all jobs and stop the threads. Raises nothing: for when another error is on its way."""
        self._unfinished.clear()
        start = perf_counter()
        self._threads.shutdown(wait=True)
        self.waited += perf_counter() - start

    def _finish_oldest(self) -> None:
        job = self._unfinished.popleft()
        start = perf_counter()
        try:
            job.result()
        finally:
            self.waited += perf_counter() - start
