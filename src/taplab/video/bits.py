"""Reading headers bit by bit."""

from collections.abc import Iterator
from itertools import pairwise
from typing import TypeAlias

Data: TypeAlias = bytes | memoryview  # a packet is read where it lies: of most only the first bytes are looked at
_START = b"\0\0\1"
_HEAD = 512  # bytes in which most of what is looked for is found


class Bits:
    """Reads unsigned integers from bytes, most significant bit first. EOFError at the end."""

    def __init__(self, data: Data) -> None:
        self.value, self.left = int.from_bytes(data, "big"), len(data) * 8

    def __call__(self, count: int) -> int:
        """The next ``count`` bits."""
        if count > self.left:
            raise EOFError("not enough bits")
        self.left -= count
        return (self.value >> self.left) & ((1 << count) - 1)

    def golomb(self) -> int:
        """The next unsigned Exp-Golomb code (H.264, 9.1)."""
        zeros = 0
        while not self(1):
            zeros += 1
        return (1 << zeros) - 1 + self(zeros)


def start_codes(data: Data) -> Iterator[tuple[int, int]]:
    """(code, position after it) of every 00 00 01 xx. What is long is copied only if more are asked for."""
    begin = 0
    for end in (min(_HEAD, len(data)), len(data)):
        part = bytes(data[:end])
        at = part.find(_START, begin)
        while 0 <= at < end - 3:
            yield part[at + 3], at + 4
            begin = at + 3
            at = part.find(_START, begin)
        begin = max(begin, end - 3)  # one may lie across the end


def nal_units(packet: Data, length: int) -> Iterator[Data]:
    """Those of H.264 or HEVC that are not empty.

    length: bytes that the length of each has, 0 where they begin with start codes.
    """
    if not length:
        starts = [at for _, at in start_codes(packet)]
        for start, end in pairwise([*starts, len(packet) + 4]):
            if unit := packet[start - 1 : end - 4]:
                yield unit
        return
    at = 0
    while at + length < len(packet):
        size = int.from_bytes(packet[at : at + length], "big")
        at += length
        if size:
            yield packet[at : at + size]
        at += size
