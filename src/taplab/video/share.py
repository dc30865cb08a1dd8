"""The share of a file that one of several processes decodes: every so many-th group of its pieces."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

from taplab.video.gops import Piece

_OPEN = 2**62  # end of a gap that goes on


@dataclass(frozen=True)
class Share:
    """Groups of pieces, of about ``length`` packets each: the ``number``-th of every ``of``, counted from 0.

    borrows: of each group the key picture behind it is decoded, too.

    All processes cut the file alike, for they look at its packets alone. What cannot be cut any more is of the group
    in which that begins, to the end of the file.
    """

    number: int
    of: int
    length: int
    borrows: bool

    def dealt(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        """The pieces with the numbers of their groups; borrowed key pictures come as pieces of their own."""
        group = packets = 0
        countable = True  # else who decodes it alone knows how many pictures there are
        for piece in pieces:
            packets, countable = packets + len(piece.packets), countable and not piece.optional
            closes = countable and packets >= self.length
            yield replace(piece, group=group, others=not self.has(group), closes=closes)
            if closes:
                needed = self.borrows or len(piece.following) > 1  # B-frames come before the key picture is shown
                if needed and self.has(group) and piece.following:
                    yield Piece(piece.following[:1], 0, [], group=group, borrowed=True)
                group, packets = group + 1, 0

    def has(self, group: int) -> bool:
        """Whether it is of this share."""
        return group % self.of == self.number


class Gaps:
    """Numbers of frames that are left to others. They are asked for in rising order, maybe by another thread."""

    def __init__(self) -> None:
        self._gaps: deque[list[int]] = deque()  # first, and behind the last
        self.open = False

    def begin(self, at: int) -> None:
        """From this number on, unless that is so already."""
        if not self.open:
            self._gaps.append([at, _OPEN])
            self.open = True

    def end(self, at: int) -> bool:
        """No longer from this number on; whether it was so."""
        if self.open:
            self._gaps[-1][1] = at
        was, self.open = self.open, False
        return was

    def __contains__(self, number: object) -> bool:
        if not isinstance(number, int):
            return False
        while self._gaps and self._gaps[0][1] <= number:
            self._gaps.popleft()
        return bool(self._gaps) and self._gaps[0][0] <= number
