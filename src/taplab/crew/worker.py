"""What each process does: it loads the model once, then segments its share of one file after another.

Nothing heavy is imported before the environment is set: torch reads its number of threads when it is.
"""

import os
import pickle
import queue
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from taplab.models.base import Model
    from taplab.segmentation import Segmentation
    from taplab.video.reading import Reading
    from taplab.video.share import Share

_FEW = 32  # messages with score maps that may wait


@dataclass(frozen=True)
class Job:
    """how: arguments of ``Segmenter``; the others are those of its ``begin``, to which each process adds its share."""

    how: dict[str, Any]
    source: str
    reading: "Reading"
    keep_all: bool
    scores: bool


@dataclass(frozen=True)
class Told:
    """What a process has to say of its work so far, and of the source as far as it knows it: after each of its groups.

    done: there are no more. borrowed: pixels that the network saw of frames that are not in the results.
    left_to_others: see ``Video``.
    """

    done: bool
    seconds: dict[str, float]
    crops: int
    borrowed: int
    frames: int
    predicted_loss: float | None
    lost: int
    broke_off: str | None
    notes: list[str]
    left_to_others: bool


@dataclass(frozen=True)
class Failed:
    """It could not go on."""

    error: Exception


class _Sender:
    """Sends on a thread, so that work goes on while nobody asks for its results."""

    def __init__(self, connection: Connection, most: int) -> None:
        self._waiting: queue.Queue[object] = queue.Queue(most)
        self._thread = threading.Thread(target=self._send, args=(connection,), name="taplab-sender", daemon=True)
        self._thread.start()

    def __call__(self, message: object) -> None:
        self._waiting.put(message)

    def _send(self, connection: Connection) -> None:
        while (message := self._waiting.get()) is not None:
            try:
                connection.send(message)
            except OSError:  # nobody is there any more
                os._exit(1)

    def close(self) -> None:
        """All is sent."""
        self._waiting.put(None)
        self._thread.join()


def work(connection: Connection, model: bytes, threads: int) -> None:
    """Of one process, until the other end is closed. model: pickled, or what makes it. threads: of torch, at first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; who reads the results decides
    os.environ["OMP_NUM_THREADS"] = str(threads)
    import torch

    torch.set_num_threads(threads)  # where the user's program has imported it already
    try:
        made: Any = pickle.loads(model)
        made = made if hasattr(made, "classes") else made()
        connection.send(None)
    except Exception as error:
        connection.send(Failed(_of_the_model(error)))
        return
    while True:
        try:
            job, share, threads = connection.recv()
        except (EOFError, OSError):
            return
        torch.set_num_threads(threads)
        _do(connection, made, job, share)


def _do(connection: Connection, model: "Model", job: Job, share: "Share") -> None:
    send = _Sender(connection, _FEW if job.scores else share.length)
    try:
        send(_segmented(send, model, job, share))
    except Exception as error:  # the other end raises it in its place
        send(Failed(_sendable(error)))
    send.close()


def _segmented(send: Callable[[object], None], model: "Model", job: Job, share: "Share") -> Told:
    from taplab.crew.packed import packed
    from taplab.segmenter import Segmenter

    segmenter = Segmenter(model, **job.how)
    segmentation = segmenter.begin(job.source, job.reading, keep_all=job.keep_all, scores=job.scores, share=share)
    for result in segmentation.results():
        segmentation.counts.add(result)
        send(packed(result))
        if result.index + 1 in segmentation.source.skipped:
            send(_told(segmentation, done=False))
    return _told(segmentation, done=True)


def _told(run: "Segmentation", *, done: bool) -> Told:
    from taplab.video import Video

    forecast = run.policy.forecast
    return Told(
        done=done,
        seconds=dict(run.stopwatch.seconds),
        crops=run.network.crops,
        borrowed=run.network.borrowed,
        frames=run.counts.frames,
        predicted_loss=None if forecast is None else forecast.loss,
        lost=run.source.lost,
        broke_off=run.source.broke_off,
        notes=[*run.policy.notes, *run.source.notes],
        left_to_others=isinstance(run.source, Video) and run.source.left_to_others,
    )


def _of_the_model(error: Exception) -> Exception:
    """It could not be made here."""
    from taplab.errors import SettingError, TaplabError
    from taplab.words import one_line

    if isinstance(error, TaplabError):
        return _sendable(error)
    return SettingError(
        f"processes: the model cannot be made anew in another process ({one_line(error)}); "
        "make it of classes that stand at the top of a module"
    )


def _sendable(error: Exception) -> Exception:
    """Itself, or, if it cannot be sent, what it says."""
    from taplab.errors import TaplabError

    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return TaplabError(f"{type(error).__name__}: {error}")
    return error
