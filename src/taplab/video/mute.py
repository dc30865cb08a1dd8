"""Packets that bring no picture, one after another: a stream that its decoder does not understand any more."""

from taplab.video.gops import Packet

MOST = 64  # in a row: more than any decoder holds back
_TINY = 16  # bytes: that a picture did not change, which some codecs say without giving it again


class Mute:
    """count: packets of all such runs so far. Runs before the first picture do not count: it is waited for."""

    def __init__(self) -> None:
        self.count = self._run = 0
        self._spoke = False

    def __call__(self, packet: "Packet | None", pictures: int) -> bool:
        """Takes note of a packet and the number of pictures that came; whether the run is now too long."""
        if pictures:
            self._run, self._spoke = 0, True
        elif packet is not None and self._spoke and packet.size > _TINY and not packet.is_discard:
            self._run += 1
            self.count += MOST if self._run == MOST else int(self._run > MOST)
        return self._run >= MOST
