"""Where a stream can be cut into pieces that decoders of their own can decode, each from a key packet to the next.

What a container flags as a key packet need not be one: H.264's recovery points let later frames refer to what came
before them, AVI flags every packet of H.263. So the packets are looked into.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from av.video.codeccontext import VideoCodecContext

from taplab.video.bits import Data, start_codes
from taplab.video.h264 import IDR, PARAMETER_SETS, SLICES, H264Headers

if TYPE_CHECKING:
    import av

Packet: TypeAlias = "av.Packet[Any]"
Coded: TypeAlias = tuple[int, Packet]  # with its coded index
Played: TypeAlias = "tuple[int, Packet | None]"  # None flushes the decoder

_LEAST = 8  # packets of a piece: shorter GOPs are taken together, or handing over would cost too much
_GROUP_OF_VOPS, _VOP = 0xB3, 0xB6
_PICTURE, _SEQUENCE, _EXTENSION = 0x00, 0xB3, 0xB5
_LASTING = (1, 2, 3, 5)  # MPEG-2's extensions that hold for more than one picture
_B_VOP, _B_PICTURE = 2, 3


class Tape:
    """Packets in coded order, numbered. They are kept, so that they can be played again, until they are forgotten.

    marked: each packet carries its number (``opaque``), to be found again behind the decoder.
    """

    def __init__(self, packets: Iterator["Packet | None"], *, marked: bool) -> None:
        self._packets, self._marked = enumerate(packets), marked
        self._kept: deque[Played] = deque()
        self._first: Packet | None = None

    def __iter__(self) -> Iterator[Played]:
        """The packets that were not read yet."""
        for coded in self._new():
            self._kept.append(coded)
            yield coded

    def _new(self) -> Iterator[Played]:
        for index, packet in self._packets:
            if packet is not None and self._marked:
                packet.opaque = (index,)  # one object a packet: a shared one comes back as None
            self._first = self._first or packet
            yield index, packet

    def again(self) -> Iterator[Played]:
        """All packets that are not forgotten, and all that come after them; nothing is kept any more."""
        while self._kept:
            yield self._kept.popleft()
        yield from self._new()

    def forget(self, before: int) -> None:
        """Drops packets with a lower index."""
        while self._kept and self._kept[0][0] < before:
            self._kept.popleft()

    def prime(self, decoder: VideoCodecContext) -> None:
        """Shows a new decoder the first packet: parameters and the encoder's name may be nowhere else."""
        decoder.decode(self._first)
        decoder.flush_buffers()


@dataclass(frozen=True)
class Piece:
    """A run of packets that begins with a key packet.

    packets: in coded order; after the first one come ``leading`` ones that are shown before it and refer to the piece
    before, which gives them out. following: the next piece's key packet and its leading ones.

    Of a file that processes share (``Share``): group: which group it is of, counted from 0; closes: it is its last.
    others: another process decodes it. borrowed: it is only the key picture behind a group.
    """

    packets: list[Coded]
    leading: int
    following: list[Coded]
    group: int = 0
    closes: bool = False
    others: bool = False
    borrowed: bool = False

    @property
    def begins(self) -> bool:
        """The stream begins with it."""
        return self.packets[0][0] == 0

    @property
    def ends(self) -> bool:
        """The stream ends with it."""
        return not self.following

    @property
    def own(self) -> list[Coded]:
        """Without the leading ones, but for a stream that begins with such."""
        return self.packets if self.begins else [self.packets[0], *self.packets[1 + self.leading :]]

    @property
    def needed(self) -> set[int]:
        """Coded indices of the pictures that it has to give out."""
        own = [self.packets[0], *self.packets[1 + self.leading :], *self.following[1:]]
        return {index for index, _ in own}

    @property
    def optional(self) -> set[int]:
        """Of those that it may give out: a stream may begin with leading packets, which decoders drop or not."""
        return {index for index, _ in self.packets[1 : 1 + self.leading]} if self.begins else set()


class _Seen(NamedTuple):
    parameters: list[bytes]  # headers that hold for more than one picture
    starts: bool  # can a decoder begin here, if the packet is flagged key?
    leads: bool  # after a key packet: shown before it


def pieces(tape: Tape, codec: str, extradata: bytes | None, most: int) -> Iterator[Piece]:
    """Cuts a stream. Ends before the end of the stream where it is not safe to go on, or a piece is too long.

    most: packets of a piece at most.
    """
    look, known = _reader(codec, extradata)
    body: list[Coded] = []
    head: list[Coded] = []  # the key packet after ``body`` and those that lead it
    leading = 0
    for index, packet in tape:
        if packet is None:
            if body and head:
                yield Piece(body, leading, head)
                body, leading = head, len(head) - 1
            if body and body[0][0] > 0:  # what is in one piece need not wait until all of it is decoded
                yield Piece(body, leading, [])
            return
        seen = look(memoryview(packet))
        if index == 0:
            known.update(seen.parameters)
        if packet.is_corrupt or packet.is_discard or not known.issuperset(seen.parameters):
            return  # what changes the decoder for good must reach it
        is_cut = packet.is_keyframe and seen.starts
        if head and not (seen.leads and not is_cut):
            if body:
                yield Piece(body, leading, head)
            body, leading, head = [*head], len(head) - 1, []  # a new list: the piece keeps its own
        if head:
            head.append((index, packet))
        elif is_cut and (not body or len(body) >= _LEAST):
            head = [(index, packet)]
        elif not body or len(body) == most:
            return
        else:
            body.append((index, packet))


def _reader(codec: str, extradata: bytes | None) -> tuple[Callable[[Data], _Seen], set[bytes]]:
    """What looks into a packet, and the parameters that the container holds."""
    if codec == "h264":
        headers = H264Headers(extradata)
        return lambda packet: _see_h264(headers.units(packet)), {unit.rstrip(b"\0") for unit in headers.given}
    see = {"mpeg4": _see_mpeg4, "mpeg1video": _see_mpeg12, "mpeg2video": _see_mpeg12}.get(codec, _see_nothing)
    return see, set(see(extradata or b"").parameters)


def _see_nothing(packet: Data) -> _Seen:
    """H.263 and its kin: every picture says all about itself, there are no B-frames."""
    return _Seen([], True, False)


def _see_h264(units: Iterable[Data]) -> _Seen:
    """Only after an IDR picture nothing refers to what was before it, and nothing after it is shown before it."""
    parameters, starts = [], None
    for unit in units:
        kind = unit[0] & 31
        if kind in PARAMETER_SETS:
            parameters.append(bytes(unit).rstrip(b"\0"))
        elif kind in SLICES and starts is None:
            starts = kind == IDR
    return _Seen(parameters, bool(starts), False)


def _see_mpeg4(packet: Data) -> _Seen:
    parameters: list[bytes] = []
    for code, unit in _units(packet, last=_VOP):
        if code == _VOP:
            return _Seen(parameters, True, unit[0] >> 6 == _B_VOP)
        if code != _GROUP_OF_VOPS:
            parameters.append(bytes([code]) + unit)
    return _Seen(parameters, False, False)


def _see_mpeg12(packet: Data) -> _Seen:
    parameters, leads = [], None
    for code, unit in _units(packet):
        if code == _PICTURE and leads is None and len(unit) > 1:
            leads = (unit[1] >> 3) & 7 == _B_PICTURE
        elif code == _SEQUENCE or (code == _EXTENSION and unit[0] >> 4 in _LASTING):
            parameters.append(bytes([code]) + bytes(unit).rstrip(b"\0"))
        elif leads is not None and 0 < code < 0xB0:
            break  # slices: nothing but pixels from here
    return _Seen(parameters, leads is not None, bool(leads))


def _units(packet: Data, last: int = -1) -> Iterator[tuple[int, Data]]:
    """(start code, what follows it). Of the unit ``last`` the first byte, for its end would take long to find."""
    starts = chain(start_codes(packet), [(-1, len(packet) + 4)])
    code, at = next(starts)
    while code not in (last, -1):
        following, end = next(starts)
        if unit := packet[at : end - 4]:
            yield code, unit
        code, at = following, end
    if code == last >= 0 and at < len(packet):
        yield code, packet[at : at + 1]
