"""When pictures are shown, where the times of their packets do not say so."""

from collections import deque
from typing import TYPE_CHECKING, Literal

import av

if TYPE_CHECKING:
    from taplab.video.gops import Packet

MOST_AHEAD = 1 << 16  # packets that may be read before their pictures come; of lost ones nothing else is forgotten


class Times:
    """In ticks of the stream: ``note`` every packet in coded order, then ask ``of`` every picture in display order.

    in_slots: the container counts packets as they are decoded and knows no other times (AVI). step: ticks between
    frames, for those that come after the last packet.

    A picture has the time of its own packet. Files that carry times of decoding instead show themselves where packets
    only go forward in time and their pictures do not. A picture is then shown when it is decoded, as FFmpeg plays it;
    if that goes back as well, times are handed out in the order of the packets.
    """

    def __init__(self, *, in_slots: bool, step: int) -> None:
        self._by: Literal["own", "decoding", "order"] = "decoding" if in_slots else "own"
        self._in_slots = in_slots
        self._step = step
        self._due: deque[int] = deque(maxlen=MOST_AHEAD)  # times of packets whose pictures are to come
        self._forward = not in_slots  # each packet was later than the one before
        self._newest: int | None = None  # packet's time
        self._last: tuple[int | None, int | None] = None, None  # picture's own time, time of decoding
        self._given: int | None = None  # time of the last picture
        self._floor: int | None = None  # what was given before times of decoding were found out

    def note(self, packet: "Packet") -> None:
        """Remembers the time of a packet; none of a stream whose B-frames have times of their own."""
        time = packet.pts
        if packet.is_discard:
            return
        self._forward = self._forward and _goes_forward(self._newest, time)
        if not (self._forward or self._in_slots):  # they are times of presentation: what went back was a loss
            self._by, self._floor = "own", None
        if time is not None and (self._forward or self._by == "order"):
            self._newest = time
            self._due.append(time)
        else:
            self._due.clear()

    def of(self, frame: av.VideoFrame) -> int | None:
        """When the picture is shown; None where the stream does not tell."""
        (own_before, decoded_before), own, decoded = self._last, frame.pts, frame.dts
        if decoded is None and self._by == "decoding":  # given out behind the last packet
            decoded = 0 if decoded_before is None else decoded_before + self._step
        self._last, due = (own, decoded), self._next_due(own, is_key=frame.key_frame)
        if self._by == "own" and self._forward and own is not None and _goes_forward(own, own_before):
            self._by, self._floor = "decoding", self._given
        if self._by == "decoding" and self._due and not _goes_forward(decoded_before, decoded):
            self._by, self._floor = "order", self._given
        time = {"own": own, "decoding": decoded, "order": due}[self._by]
        self._given = time if time is None or self._floor is None else max(time, self._floor)
        return self._given

    def _next_due(self, own: int | None, *, is_key: bool) -> int | None:
        while is_key and own in self._due and self._due[0] != own:  # all before it were shown, or are lost
            self._due.popleft()
        return self._due.popleft() if self._due else own


def _goes_forward(before: int | None, time: int | None) -> bool:
    """From the one to the other, where both are known; from nothing, too."""
    return time is not None and (before is None or time > before)
