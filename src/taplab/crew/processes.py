"""Processes that hold one model each and wait for work."""

import multiprocessing
import pickle
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from weakref import WeakKeyDictionary, finalize

import torch

from taplab.crew.packed import Packed
from taplab.crew.worker import Failed, Job, Told, work
from taplab.errors import SettingError, SourceError, TaplabError
from taplab.models.base import Model
from taplab.video.share import Share
from taplab.words import one_line

_POLL = 0.1  # seconds between looks for an interrupt
_GRACE = 2.0  # seconds in which a process that was stopped should end
_LATER = "perhaps for want of memory; give fewer processes"
_AT_FIRST = (
    """for want of memory, or of `if __name__ == "__main__":` around what your program does, in a file of its own"""
)


class Crew:
    """Processes that share the cores, with a model each. model: pickled, it or what makes it.

    They are begun when there is a share for them, and kept. One video at a time is worked on; where that is given up,
    new processes are begun for the next.
    """

    def __init__(self, model: bytes) -> None:
        self.model = model
        self._members: list[tuple[multiprocessing.process.BaseProcess, Connection]] = []
        self._busy = threading.Lock()
        finalize(self, _stop, self._members)

    def work(self, job: Job, shares: Sequence[Share], interrupted: Callable[[], bool]) -> Generator[Packed | Told]:
        """Results in display order; what each process has to tell comes last, first of the one that had the last turn.

        Where one goes on to the end of the file alone, what the others did after their last turn is dropped.
        """
        if not self._busy.acquire(blocking=False):
            raise SettingError("processes work on one video at a time; give each its own Segmenter and model")
        finished = False
        try:
            of = len(shares)
            self._begin(of, interrupted)
            for (_, connection), share in zip(self._members, shares, strict=False):  # others wait for longer files
                connection.send((job, share, _threads(of)))
            turn, told = 0, dict[int, Told]()
            while turn not in told or not told[turn].done:
                message = self._heard(turn, interrupted)
                if isinstance(message, Told):
                    told[turn] = message
                    turn = turn if message.done else (turn + 1) % of
                elif isinstance(message, Packed):
                    yield message
            if told[turn].left_to_others:  # and they left it to this one
                raise SourceError(f"{job.source}: processes do not agree on its frames; leave processes out")
            finished = self._are_done(told, of, interrupted)
            yield told.pop(turn)
            yield from told.values()
        finally:
            if not finished:
                self.close()
            self._busy.release()

    def _are_done(self, told: dict[int, Told], of: int, interrupted: Callable[[], bool]) -> bool:
        """Whether all the others have nothing but an end to tell, too, which is added."""
        for turn in range(of):
            if turn in told and told[turn].done:
                continue
            message = self._heard(turn, interrupted)
            if not isinstance(message, Told):
                return False
            told[turn] = message
        return all(one.done for one in told.values())

    def _begin(self, of: int, interrupted: Callable[[], bool]) -> None:
        if not all(process.is_alive() for process, _ in self._members):
            self.close()
        begun = range(len(self._members), of)
        context = multiprocessing.get_context("spawn")
        for number in begun:
            here, there = context.Pipe()
            process = context.Process(
                target=work, args=(there, self.model, _threads(of)), name=f"taplab-{number}", daemon=True
            )
            with _ctrl_c_held_back():
                process.start()
            there.close()
            self._members.append((process, here))
        for turn in begun:
            self._heard(turn, interrupted, _AT_FIRST)

    def _heard(self, turn: int, interrupted: Callable[[], bool], remedy: str = _LATER) -> object:
        process, connection = self._members[turn]
        try:
            while not connection.poll(_POLL):
                if interrupted():
                    raise KeyboardInterrupt
            message = connection.recv()
        except (EOFError, OSError) as error:
            process.join(_GRACE)
            if interrupted():  # what stopped it is meant for all
                raise KeyboardInterrupt from None
            raise TaplabError(
                f"process {turn + 1} of {len(self._members)} died (exit status {process.exitcode}), {remedy}"
            ) from error
        if isinstance(message, Failed):
            raise message.error
        if interrupted():
            raise KeyboardInterrupt
        return message

    def close(self) -> None:
        """Ends the processes; the next video begins new ones."""
        _stop(self._members)


def _threads(of: int) -> int:
    """Of each of so many processes."""
    return max(torch.get_num_threads() // of, 1)


_crews: WeakKeyDictionary[Model, Crew] = WeakKeyDictionary()


def crew_of(model: Model) -> Crew:
    """The processes with ``model``, the same as long as it stays as it is: to begin them takes seconds.

    Raises SettingError if it cannot be handed over.
    """
    crew, handed_over = _crews.get(model), _handed_over(model)
    if crew is None or crew.model != handed_over:
        crew = _crews[model] = Crew(handed_over)
    return crew


@contextmanager
def _ctrl_c_held_back() -> Generator[None]:
    """From a process that is begun in here, for good: it reaches all of a terminal's, and this one decides."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _stop(members: list[tuple[multiprocessing.process.BaseProcess, Connection]]) -> None:
    for process, connection in members:
        connection.close()
        process.terminate()
    for process, _ in members:
        process.join(_GRACE)
        if process.is_alive():
            process.kill()
    members.clear()


def _handed_over(model: Model) -> bytes:
    """Pickled: how it was loaded, if that is known, else itself."""
    try:
        return pickle.dumps(model.loaded_by or model)
    except Exception as error:  # what pickle raises is up to what is pickled
        raise SettingError(
            f"processes: {model.name} cannot be handed to other processes ({one_line(error)}); "
            "load it by its name, with taplab.load_model or --model, or make it of what stands at the top of a module"
        ) from error
