"""What taplab asks of a library that runs networks in files."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray


@dataclass(frozen=True)
class Slot:
    """An input or output: its shape with None where it is open; an input's type in numpy's terms."""

    name: str
    shape: tuple[int | None, ...]
    type: str


class Session(Protocol):
    """A loaded file. about: what it says of itself (``ABOUT``), as text; empty if nothing.

    A call takes the number of an output and the inputs in their order; it may raise whatever its library raises.
    """

    inputs: list[Slot]
    outputs: list[Slot]
    about: str

    def __call__(self, output: int, *arrays: NDArray[Any]) -> NDArray[Any]:
        """Inputs to one output."""


def listed(slots: Sequence[Slot]) -> str:
    """Names and shapes; open sides are ?."""
    return ", ".join(f"{s.name} [{', '.join('?' if n is None else str(n) for n in s.shape)}]" for s in slots)
