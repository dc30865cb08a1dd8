"""Ctrl-C and SIGTERM while something is under way that must be whole before it can be saved, or that hangs."""

import signal
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, TypeVar

R = TypeVar("R")

_STEP = 0.1  # seconds between looks for Ctrl-C, where a wait does not end at a signal (Windows)


_received: int = signal.SIGINT  # the last that asked for an end


def heed_termination() -> None:
    """From now on SIGTERM interrupts as Ctrl-C does: for processes that are all taplab's."""
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminate)


def exit_status() -> int:
    """Of a process that was interrupted: 130 after Ctrl-C, 143 after SIGTERM."""
    return 128 + _received


def _note(number: int) -> None:
    global _received
    _received = number


def _terminate(number: int, frame: FrameType | None) -> None:
    _note(number)
    raise KeyboardInterrupt


_INTERRUPTING: dict[int, Callable[..., Any]] = {  # signals, and their handlers where they interrupt
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: _terminate,
}


class PutOff:
    """A context in which the first Ctrl-C only sets ``asked`` and calls ``notice``; the second interrupts at once.

    Likewise SIGTERM, where it is heeded. Only in the main thread, and only where they would interrupt: another handler
    of the program's stays in charge.
    """

    def __init__(self, notice: Callable[[], None] | None = None) -> None:
        self.asked = False
        self._notice, self._at_once = notice, False
        self._mine: list[int] = []  # signals

    def __enter__(self) -> "PutOff":
        if threading.current_thread() is threading.main_thread():
            self._mine = [number for number, usual in _INTERRUPTING.items() if signal.getsignal(number) is usual]
            for number in self._mine:
                signal.signal(number, self._handle)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number in self._mine:
            signal.signal(number, _INTERRUPTING[number])

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
        _note(number)
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
