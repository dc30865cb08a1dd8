"""Reads ahead on a thread, so that decoding and the network overlap."""

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from typing import Any, TypeVar

T = TypeVar("T")


class _End:
    """Travels through the queue after the last item, with the error that ended the stream if there was one."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def prefetch(
    items: Iterator[T],
    ahead: int,
    prepare: Callable[[T], object] | None = None,
    *,
    waiting: queue.Queue[Any] | None = None,
    patience: float | None = None,
    interrupted: Callable[[], bool] = lambda: False,
) -> Generator[T]:
    """Yields ``items``, at most ``ahead`` of them waiting; ``prepare`` is called with each on the reading thread.

    The error of the reading thread is raised here. Closing the generator stops the thread and closes ``items``.
    waiting: the queue that they wait in, if it is to decide itself what waits. patience: seconds to wait for the thread
    to stop, None for as long as it takes. interrupted: asked between items and while none comes; where it is so,
    KeyboardInterrupt is raised.
    """
    waiting = queue.Queue(ahead) if waiting is None else waiting
    stopped = threading.Event()

    def put(item: T | _End) -> None:
        while not stopped.is_set():
            try:
                waiting.put(item, timeout=0.1)
                return
            except queue.Full:
                continue

    def read() -> None:
        for item in items:
            if prepare is not None:
                prepare(item)
            put(item)
            if stopped.is_set():
                break

    def read_and_close() -> None:
        error = None
        try:
            try:
                read()
            finally:
                getattr(items, "close", lambda: None)()
        except BaseException as caught:  # handed over, whatever it is
            error = caught
        put(_End(error))

    def take() -> T | _End:
        while not interrupted():
            try:
                item: T | _End = waiting.get(timeout=0.1)
                return item
            except queue.Empty:
                continue
        raise KeyboardInterrupt

    thread = threading.Thread(target=read_and_close, name="taplab-reader", daemon=True)
    thread.start()
    try:
        while not isinstance(item := take(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stopped.set()
        thread.join(patience)
