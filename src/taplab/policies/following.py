"""With a network made for warping: no frame is left at what was carried to it, the network glances at each."""

from collections.abc import Iterable

from taplab.modules.ffw import Carried
from taplab.policies.base import Answer, Ask, Policy, Steps
from taplab.types import CodedFrame


class Following(Policy):
    """``policy``, whose answers between key frames go to the network's ``follow`` before they are given.

    Those without a ``match`` (FFW alone, scores of the network itself) pass as they are.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.name, self.interval, self.modules = policy.name, policy.interval, policy.modules
        self.uses_motion, self.uses_residual = policy.uses_motion, policy.uses_residual
        self.looks_ahead, self.endless = policy.looks_ahead, policy.endless

    def run(self, frames: Iterable[CodedFrame]) -> Steps:
        """As ``policy`` does; its own way of carrying scores does not see what the glance said."""
        steps, reply = self.policy.run(frames), None
        while True:
            try:
                step = next(steps) if reply is None else steps.send(reply)
            except StopIteration:
                return
            reply = None
            if isinstance(step, Ask):
                reply = yield step
            elif step.carried.match is None or step.origin == "network":
                yield step
            else:
                scores = yield Ask(step.frame, carried=step.carried)
                yield Answer(step.frame, Carried(scores), "followed")
