"""Ctrl-C while something is under way that must be whole before it can be saved, or that hangs."""

import signal
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import TypeVar

R = TypeVar("R")

_STEP = 0.1  # seconds between looks for Ctrl-C, where a wait does not end at a signal (Windows)


class PutOff:
    """A context in which the first Ctrl-C only sets ``asked`` and calls ``notice``; the second interrupts at once.

    Only in the main thread, and only where Ctrl-C would interrupt: another handler of the program's stays in charge.
    """

    def __init__(self, notice: Callable[[], None] | None = None) -> None:
        self.asked = False
        self._notice, self._mine, self._at_once = notice, False, False

    def __enter__(self) -> "PutOff":
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._handle)
            self._mine = True
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._mine:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    @contextmanager
    def suspended(self) -> Generator[None]:
        """What is done in here may be interrupted anywhere."""
        if self.asked:
            raise KeyboardInterrupt
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.asked or self._at_once:
            raise KeyboardInterrupt
        self.asked = True
        if self._notice is not None:
            self._notice()


def interruptible(function: Callable[[], R], discard: Callable[[R], object]) -> R:
    """What ``function`` returns or raises. Ctrl-C does not wait for it, though it may hang in C code.

    The main thread, the only one that Ctrl-C reaches, has it called on another. What is returned after an interrupt
    goes to ``discard``.
    """
    if threading.current_thread() is not threading.main_thread():
        return function()
    future: Future[R] = Future()

    def call() -> None:
        try:
            future.set_result(function())
        except BaseException as error:  # handed over, whatever it is
            future.set_exception(error)

    try:
        threading.Thread(target=call, name="taplab-opening", daemon=True).start()
        while not future.done():
            wait([future], _STEP)
    except BaseException:
        future.add_done_callback(lambda late: late.exception() or discard(late.result()))
        raise
    return future.result()
