"""What packets say of their pictures, kept until these leave the decoder."""

from collections import deque
from typing import Literal, NamedTuple

from av.video.frame import PictureType, VideoFrame

from taplab.video.gops import Coded, Packet
from taplab.video.h264 import H264Headers
from taplab.video.hevc import HevcHeaders
from taplab.video.mpeg4 import Mpeg4Headers
from taplab.video.mpeg12 import MPEG12, Mpeg12Headers

_AV1 = ("libdav1d", "libaom-av1", "av1")  # decoders
_KEPT = 64  # packets that a picture may come behind its own


class Header(NamedTuple):
    """rounding: MPEG-4's rounding type. refers: whether other pictures refer to it, None where the packet does not say.

    after_loss: a reference picture before it is missing from the stream. corrupt: its packet is broken.
    """

    rounding: int = 0
    refers: bool | None = None
    after_loss: bool = False
    corrupt: bool = False


class Headers:
    """By coded index of marked packets; where they carry no marks, by time. extradata: of the stream."""

    def __init__(self, codec: str, extradata: bytes | None, *, marked: bool) -> None:
        self._marked = marked
        self._mpeg12 = Mpeg12Headers() if codec in MPEG12 else None
        self._mpeg4 = Mpeg4Headers(extradata) if codec == "mpeg4" else None
        self._h264 = H264Headers(extradata) if codec == "h264" else None
        self._hevc = HevcHeaders(extradata) if codec == "hevc" else None
        self._is_av1 = codec in _AV1
        self.due = 0  # pictures that should come of the packets so far, in codecs where that is known
        self.noted = 0  # packets
        self._said: dict[int, Header] = {}
        self._discarded: dict[int, bool] = {}  # of packets that are not to be shown: key frame?
        # Times of packets that may be corrupt, and of key packets:
        self._doubtful: deque[int | None] = deque(maxlen=_KEPT)
        self._key_times: deque[int] = deque(maxlen=_KEPT)
        self._corrupt_before = False  # was the packet before corrupt?

    def note(self, index: int, packet: Packet) -> None:
        """Remembers what a packet says of itself, once; called in coded order."""
        if index < self.noted:
            return
        self.noted = index + 1
        if packet.is_discard:
            self._discarded[index] = packet.is_keyframe
        if self._is_due(packet) and not packet.is_discard:
            self.due += 1
        if self._marked:
            self._said[index] = self._read(packet)
        elif packet.is_corrupt or self._corrupt_before:  # parsers may mark the packet before the broken one
            self._doubtful.append(packet.pts)
        if packet.is_keyframe and packet.pts is not None:
            self._key_times.append(packet.pts)
        self._corrupt_before = packet.is_corrupt

    @property
    def before(self) -> int:
        """Pictures before the first that decoding can begin with, in codecs where that is known."""
        return 0 if self._hevc is None else self._hevc.before

    def note_all(self, coded: list[Coded]) -> bool:
        """False if one of the packets misses something: what becomes of it may depend on all that was decoded."""
        for index, packet in coded:
            self.note(index, packet)
        said = (self._said.get(index, Header()) for index, _ in coded)
        return not any(header.after_loss or header.corrupt for header in said)

    def take(self, index: int) -> Header:
        """What the packet of a picture said. Packets long before it never gave one."""
        header = self._said.pop(index, Header())
        for old in [i for i in self._said if i < index - _KEPT]:
            del self._said[old]
        return header

    def at(self, frame: VideoFrame) -> tuple[bool, bool]:
        """Of a picture whose packet carried no mark: may it be corrupt, can decoding begin with it?

        A decoder that denies the latter is believed.
        """
        key = frame.pts in self._key_times and frame.pict_type in (PictureType.NONE, PictureType.I)
        return frame.pts in self._doubtful, key

    def why_missing(self, index: int) -> Literal["lost", "unneeded", "hidden", "hidden key"]:
        """Why no picture came of a packet.

        "lost": it, or what it refers to. "unneeded": no other frame refers to it. "hidden": an edit list passes over
        it, so it is sound but not shown.
        """
        if index in self._discarded:
            return "hidden key" if self._discarded.pop(index) else "hidden"
        header = self._said.pop(index, Header())
        return "unneeded" if header.refers is False and not header.after_loss else "lost"

    def several_references(self) -> bool:
        """May a frame be predicted from others than the nearest references? Only H.264 can do that here."""
        return self._h264 is not None and self._h264.most_references > 1

    def cut_off(self, frame: VideoFrame) -> tuple[int, int]:
        """Columns and rows between where vectors count from and where the picture begins."""
        return (0, 0) if self._h264 is None else self._h264.cut_off(frame.width, frame.height)

    def _is_due(self, packet: Packet) -> bool:
        """Should a picture come of it? An AV1 packet is a temporal unit, of which one is shown."""
        return self._is_av1 if self._hevc is None else self._hevc(memoryview(packet))

    def _read(self, packet: Packet) -> Header:
        data, rounding, refers, after_loss, headless = memoryview(packet), 0, None, False, False
        if self._mpeg4 is not None:
            rounding, refers, after_loss = self._mpeg4(data)
        elif self._h264 is not None:
            refers, after_loss, headless = self._h264(data)
        elif self._mpeg12 is not None:
            refers, after_loss = self._mpeg12(data)
        return Header(rounding, refers, after_loss, packet.is_corrupt or headless)
