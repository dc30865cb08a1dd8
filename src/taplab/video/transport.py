"""Files of transport streams that were joined end to end, read part by part.

FFmpeg reads over a seam: it takes the jump of the packet counters for a loss, and what comes in another codec for more
of the first one. Here the file ends for it at the seam; what comes then is opened anew.
"""

import os
import re
from io import FileIO
from pathlib import Path
from typing import Self

from taplab.video.programs import PACKET, PAT, Packet, due, packet_of, programs_of

BUFFER = 1 << 18  # bytes that FFmpeg reads at once
_BEGINS = re.compile(rb"\x47[\x40-\x5f].[\x10-\x1f\x30-\x3f]", re.DOTALL)  # packets with which something begins
_CLOCK = 1 << 33  # times are counted modulo this
_LOOKED_BACK = 2048  # packets


def packet_size(path: str) -> int | None:
    """Bytes of each packet of a file that begins as a transport stream does: 188, or 192 with a time before it."""
    if not Path(path).is_file():
        return None
    with Path(path).open("rb") as file:
        head = file.read(3 * 192)
    sizes = (PACKET, 192)
    return next((n for n in sizes if all(head[i : i + 1] == b"\x47" for i in range(n - PACKET, 3 * n, n))), None)


class Part:
    """A file for ``av.open`` that begins at byte ``start`` of ``path`` and ends where the next part begins.

    size: of its packets, as ``packet_size`` says. end: where that is, None while it is not known. A part ends where
    another codec or another stream carries the video, or where tables come and a picture that decoding can begin with,
    and time goes back.

    joints: bytes from the start at which, after whole pictures, packets are counted anew and time goes on, as in joined
    segments of one recording: decoding goes on there, and nothing is lost.
    """

    def __init__(self, path: str, size: int, start: int = 0) -> None:
        self.name, self.start, self._size = path, start, size
        self.end: int | None = None
        self.joints: set[int] = set()
        self._cut_off = False
        self._file = FileIO(path)
        self._file.seek(start)
        self._video: frozenset[tuple[int, int, int]] = frozenset()  # of the first tables
        self._told: int | None = None  # where these begin
        self._numbers: frozenset[int] = frozenset()
        self._forget()

    def read(self, size: int) -> bytes:
        """The next bytes; none at the end."""
        at = self._file.tell()
        data = self._file.read(size if self.end is None else max(min(size, self.end - at), 0))
        self._watch(at, data)
        return data if self.end is None else data[: max(self.end - at, 0)]

    def seek(self, offset: int, whence: int = 0) -> int:
        """As of files; the part's first byte is 0."""
        if whence == 0:
            return self._file.seek(self.start + offset) - self.start
        if whence == 2 and self.end is not None:
            return self._file.seek(self.end + offset) - self.start
        return self._file.seek(offset, whence) - self.start

    def tell(self) -> int:
        """Bytes from the part's first."""
        return self._file.tell() - self.start

    def is_cut_off(self) -> bool:
        """Whether the last picture before the end is; at that of the file, where it ends within a packet."""
        whole = (os.fstat(self._file.fileno()).st_size - self.start) % self._size == 0
        return self._cut_off if self.end is not None else not whole

    def first_video(self) -> int | None:
        """Byte of the file at which tables first tell of video; reads on to there. None where none do."""
        while self._told is None and self.read(BUFFER):
            pass
        return self._told

    def again(self) -> "Part":
        """The same from its first byte, with a file of its own."""
        return Part(self.name, self._size, self.start)

    def close(self) -> None:
        """Safe to call twice."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _forget(self) -> None:
        """What comes next does not follow what came last."""
        self._read_to, self._tail = -1, b""
        # Since the last picture, where the first PAT is, or the last one that jumped: sound may go on behind pictures.
        self._table: tuple[int, bool] | None = None
        self._pat: int | None = None  # where the last PAT is
        self._counter: int | None = None  # of it
        self._due: dict[int, int] = {}  # time of the last picture, by pid

    def _watch(self, at: int, data: bytes) -> None:
        if at != self._read_to:
            self._forget()
        self._read_to, data, at = at + len(data), self._tail + data, at - len(self._tail)
        self._tail = data[max(len(data) - PACKET + 1, 0) :]
        for match in _BEGINS.finditer(data, 0, max(len(data) - PACKET + 4, 0)):
            packet = packet_of(data[match.start() : match.start() + PACKET])
            if packet is not None:
                self._look(at + match.start() - (self._size - PACKET), packet)

    def _look(self, at: int, packet: Packet) -> None:
        if self.end is not None and at >= self.end:
            return
        if packet.payload[:3] == b"\0\0\1":
            if any(packet.pid == pid for _, pid, _ in self._video):
                self._look_at_picture(packet)
            return
        programs = programs_of(packet.payload)
        if programs is None:
            return
        if packet.pid == PAT:
            jumps = self._counter is not None and packet.counter not in (self._counter, (self._counter + 1) % 16)
            self._table = (at, jumps) if jumps or self._table is None else self._table
            self._pat, self._counter = at, packet.counter
            self._numbers = self._numbers or programs.numbers
            if not self._numbers & programs.numbers:
                self._end_at(at)
            return
        ours = {number for number, _, _ in self._video}
        if not self._video:
            self._video = programs.video
            self._told = (at if self._pat is None else self._pat) if programs.video else None
        elif any(number in ours for number, _, _ in programs.video) and not self._video & programs.video:
            self._end_at(at if self._pat is None else self._pat)

    def _look_at_picture(self, packet: Packet) -> None:
        table, before, now = self._table, self._due.get(packet.pid), due(packet.payload)
        self._table = None
        if now is not None:
            self._due[packet.pid] = now
        if table is None or before is None or now is None or not packet.random_access:
            return
        at, jumps = table
        back = (now - before) % _CLOCK > _CLOCK // 2
        if back or jumps or self._counter == 0:
            last = self._last_packet(at, packet.pid)
            jumps = jumps or (last is not None and (packet.counter - last.counter) % 16 not in (0, 1))
            if back:
                self._end_at(at)
            elif jumps and last is not None and last.stuffed:
                self.joints.add(at - self.start)

    def _end_at(self, at: int) -> None:
        """at: of the first packet of what comes next."""
        if at <= self.start or (self.end is not None and at >= self.end):
            return
        last = None
        for _, pid, _ in self._video:
            last = last or self._last_packet(at, pid)
        self.end, self._cut_off = at, bool(self._video) and (last is None or not last.stuffed)

    def _last_packet(self, before: int, pid: int) -> Packet | None:
        """The last packet of ``pid`` before a byte, if whole packets lead there."""
        here = self._file.tell()
        begin = max(before - _LOOKED_BACK * self._size, self.start)
        self._file.seek(begin)
        data = self._file.read(before - begin)
        self._file.seek(here)
        for at in range(len(data) - PACKET, -1, -self._size):
            packet = packet_of(data[at : at + PACKET])
            if data[at] != 0x47 or (packet is not None and packet.pid == pid):
                return packet
        return None
