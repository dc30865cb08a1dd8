"""Reading headers bit by bit."""

from collections.abc import Iterator


class Bits:
    """Reads unsigned integers from bytes, most significant bit first. EOFError at the end."""

    def __init__(self, data: bytes) -> None:
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


def start_codes(data: bytes) -> Iterator[tuple[int, int]]:
    """(code, position after it) of every 00 00 01 xx."""
    at = data.find(b"\0\0\1")
    while 0 <= at < len(data) - 3:
        yield data[at + 3], at + 4
        at = data.find(b"\0\0\1", at + 3)
