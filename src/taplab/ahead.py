"""Calling a function on the items of a stream on threads, some ahead of who asks for the results."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from taplab.timing import Stopwatch

T = TypeVar("T")
R = TypeVar("R")


def called_ahead(
    function: Callable[[T], R], items: Iterable[T], threads: int, stopwatch: Stopwatch, most: int = 0
) -> Generator[R]:
    """``function`` of each item, in their order; with ``threads`` twice as many are under way, or ``most``.

    So the threads have something to do while an item is waited for because the network runs for it. With no threads
    each is called when it is asked for. An error is raised in its place, one of ``items`` after the results of those
    before it. What is under way when the generator is closed is finished, the rest is not begun.
    """
    if threads == 0:
        yield from map(function, items)
        return
    pool = ThreadPoolExecutor(threads, thread_name_prefix="taplab-results")
    pending: deque[Future[R]] = deque()

    def first() -> R:
        with stopwatch("wait"):
            return pending.popleft().result()

    def submitted() -> Iterator[Future[R]]:
        try:
            for item in items:
                yield pool.submit(function, item)
        except Exception as error:
            failed: Future[R] = Future()
            failed.set_exception(error)
            yield failed

    try:
        for future in submitted():
            pending.append(future)
            while pending and (pending[0].done() or len(pending) > max(2 * threads, most)):
                yield first()
        while pending:
            yield first()
    finally:
        pool.shutdown(cancel_futures=True)
