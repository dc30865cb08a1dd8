"""Cutting a stream into lanes, runs of frames that begin with a key frame, and running many of them in lockstep."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from taplab.policies.base import Answer, Ask, Policy, Steps, Turn
from taplab.types import CodedFrame


@dataclass(eq=False)
class Lane:
    """Frames in coded order, the first of them a key frame.

    B-frames shown before a key frame but coded after it need both neighbours. They stay with the lane before, which
    therefore ends with the next lane's key frame (``borrowed``) and those B-frames.
    """

    frames: list[CodedFrame] = field(default_factory=list)
    borrowed: CodedFrame | None = None

    @property
    def is_elsewhere(self) -> bool:
        """Another process has it: its key frame was only there for the lane before."""
        return bool(self.frames) and self.frames[0].elsewhere

    @property
    def keys(self) -> list[CodedFrame]:
        """Its key frame, and the one that it ends with: those that the network will certainly be asked for."""
        return [self.frames[0]] if self.borrowed is None else [self.frames[0], self.borrowed]

    def borrow(self, key: CodedFrame) -> None:
        """Ends with the next lane's key frame."""
        key.shared = not key.elsewhere
        self.borrowed = key
        self.frames.append(key)


def mark_keys(frames: Iterable[CodedFrame], interval: int) -> Iterator[CodedFrame]:
    """Sets ``starts_lane`` on I-frames and, so that key frames are at most ``interval`` apart, on others between them.

    With B-frames only those come into question that nothing coded before is shown after. The step to the next one is
    taken to be what the last one was: the decision must not wait for it.
    """
    key, newest = None, -1  # display positions of the last key frame and of the latest frame so far
    for frame in frames:
        step = frame.display - newest
        turns = step > 0 and (frame.is_reference or interval == 1)
        due = key is None or (turns and frame.display + step - key > interval)
        frame.starts_lane = frame.stands_alone or due or interval == 1
        if frame.starts_lane:
            key = frame.display
        newest = max(newest, frame.display)
        yield frame


def cut_lanes(frames: Iterable[CodedFrame], interval: int, *, borrow: bool = False) -> Iterator[Lane]:
    """The lanes of a stream, each of about ``interval`` frames.

    borrow: every lane ends with the next one's key frame, not only those that have B-frames after it.
    """
    before, lane = Lane(), Lane()
    for frame in mark_keys(frames, interval):
        if frame.starts_lane:
            if before.frames:
                yield before
            before, lane = Lane() if lane.is_elsewhere else lane, Lane([frame])
            if borrow and before.frames:
                before.borrow(frame)
        elif before.frames and frame.display < lane.frames[0].display:
            if before.borrowed is None:
                before.borrow(lane.frames[0])
            before.frames.append(frame)
        else:
            lane.frames.append(frame)
    for rest in (before, lane):
        if rest.frames and not rest.is_elsewhere:
            yield rest


def run_in_lockstep(
    lanes: Sequence[Lane], policy: Policy, network: Callable[[list[Ask]], list[Tensor]]
) -> Iterator[Answer]:
    """Runs the policy on all lanes; each round collects one request of every lane and answers them together."""
    running: list[tuple[Lane, Steps, Ask | Turn | None]] = [(lane, policy.run(lane.frames), None) for lane in lanes]
    while running:
        asks = [request for _, _, request in running if isinstance(request, Ask)]
        replies = iter(network(asks) if asks else ())
        held: list[tuple[Lane, Steps, Ask | Turn | None]] = []
        for lane, steps, request in running:
            if isinstance(request, Turn) and held:
                held.append((lane, steps, request))
                continue
            for step in _until_next_request(steps, next(replies) if isinstance(request, Ask) else None):
                if not isinstance(step, Answer):
                    held.append((lane, steps, step))
                elif step.frame is not lane.borrowed:
                    yield step
        running = held


def _until_next_request(steps: Steps, reply: Tensor | None) -> Iterator[Ask | Answer | Turn]:
    """Sends the reply and yields what follows, up to and including the next request."""
    try:
        step = next(steps) if reply is None else steps.send(reply)
        yield step
        while isinstance(step, Answer):
            step = next(steps)
            yield step
    except StopIteration:
        return


def run_endless(
    frames: Iterable[CodedFrame], policy: Policy, network: Callable[[list[Ask]], list[Tensor]]
) -> Iterator[Answer]:
    """One lane that never ends: every frame is answered as soon as it comes, as a live stream needs it."""
    steps, reply = policy.run(mark_keys(frames, policy.interval)), None
    while True:
        request = None
        for step in _until_next_request(steps, reply):
            if isinstance(step, Answer):
                yield step
            else:
                request = step
        if request is None:
            return
        reply = network([request])[0] if isinstance(request, Ask) else None
