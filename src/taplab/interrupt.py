"""Ctrl-C and SIGTERM while something is under way that must be whole before it can be saved, or that hangs."""

import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, TypeVar, cast

R = TypeVar("R")

_STEP = 0.1  # seconds between looks for Ctrl-C, where a wait does not end at a signal (Windows)
_LONGEST_IMPORT = 20.0  # seconds
_ONE_WISH = 1.0  # seconds: signals so soon after the first mean the same (a terminal and a program send one each)

_received: int = signal.SIGINT  # the last that asked for an end
_asked_first: float | None = None
_status: object = None  # of an end without a signal, once it is known
_ending_since: float | None = None


def own_the_process() -> None:
    """From now on SIGTERM interrupts as Ctrl-C does, and each ends the process: for those that are all taplab's.

    KeyboardInterrupt is raised once, so that nothing breaks into what it set off; what asks again after that ends all
    at once. Python's own end is cut short (see ``ends_with``): signals that come in it would kill the process, and to
    take torch and numba down again takes a second.
    """
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
        if signal.getsignal(number) is usual:
            signal.signal(number, _end)
    atexit.register(_leave)  # the first to be registered is called last
    sys.unraisablehook = _unraisable


def exit_status() -> int:
    """Of a process that was interrupted: 130 after Ctrl-C, 143 after SIGTERM."""
    return 128 + _received


def _note(number: int) -> None:
    global _received
    _received = number


def _end(number: int, frame: FrameType | None) -> None:
    global _asked_first
    if _ending_since is None:
        _note(number)
        _asked_first = _asked_first or time.monotonic()
        if _is_importing(frame) and time.monotonic() - _asked_first < _LONGEST_IMPORT:
            _come_again()
            return
        _begin_to_end()
        raise KeyboardInterrupt
    if time.monotonic() - _ending_since > _ONE_WISH:
        os._exit(exit_status())


def _unraisable(what: "sys.UnraisableHookArgs") -> None:
    """Python drops what is raised in a ``__del__``, an interrupt too: then it comes again, when that is over."""
    global _ending_since
    if not issubclass(what.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(what)
        return
    _ending_since = None
    _come_again()


def _is_importing(frame: FrameType | None) -> bool:
    """A module that is broken off while it is loaded fails later, torch the whole process."""
    while frame is not None and not frame.f_code.co_filename.startswith("<frozen importlib"):
        frame = frame.f_back
    return frame is not None


def _come_again() -> None:
    """The last signal, a little later."""
    again = threading.Timer(_STEP, os.kill, (os.getpid(), _received))
    again.daemon = True
    again.start()


def is_interrupt(error: BaseException | None) -> bool:
    """Compiled code may make a SystemError of a KeyboardInterrupt, which is then its cause."""
    return isinstance(error, KeyboardInterrupt) or (isinstance(error, SystemError) and is_interrupt(error.__cause__))


def _begin_to_end() -> None:
    global _ending_since
    _ending_since = time.monotonic()


def ends_with(status: object) -> None:
    """Told of a process of taplab's own that ends, with what stands in its SystemExit."""
    global _status
    _status = 0 if status is None else status


def _leave() -> None:
    status = exit_status() if _ending_since is not None else _status
    if not isinstance(status, int):
        return
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:  # it was closed when Python began
                stream.flush()
    except (OSError, ValueError):  # nobody reads any more: Python says so
        return
    os._exit(status)


def _interrupts(handler: object) -> bool:
    return handler is signal.default_int_handler or handler is _end


class PutOff:
    """A context in which the first Ctrl-C only sets ``asked`` and calls ``notice``; the second interrupts at once.

    Likewise SIGTERM, where it is heeded. Only in the main thread, and only where they would interrupt: another handler
    of the program's stays in charge.
    """

    def __init__(self, notice: Callable[[], None] | None = None) -> None:
        self.asked = False
        self._notice, self._at_once = notice, False
        self._before: dict[int, Callable[[int, FrameType | None], Any]] = {}  # handlers

    def __enter__(self) -> "PutOff":
        if threading.current_thread() is threading.main_thread():
            found = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
            self._before = {number: cast("Any", handler) for number, handler in found.items() if _interrupts(handler)}
            for number in self._before:
                signal.signal(number, self._handle)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.asked and _end in self._before.values():
            _begin_to_end()
        for number, handler in self._before.items():
            signal.signal(number, handler)

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
            self._before[number](number, frame)
            return
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
