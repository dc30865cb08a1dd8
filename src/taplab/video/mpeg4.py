"""What MPEG-4 Part 2's own headers say: the rounding type, who is referred to, and whether a frame before was lost.

FFmpeg passes over a lost frame without a word. B-VOPs tell of it by their time, which must lie between those of the
last two I- or P-VOPs, and P-VOPs by their rounding type, which nearly all encoders turn over from one to the next so
that errors do not add up (ISO/IEC 14496-2, 6.2.5 and 6.3.5).
"""

from typing import NamedTuple

from taplab.video.bits import Bits, Data, start_codes

_VOL_START = range(0x20, 0x30)
_GROUP_START, _VOP_START = 0xB3, 0xB6
_I, _P, _B = 0, 1, 2  # vop_coding_type
_HABIT = 3  # times in a row after which an encoder is expected to go on like that


class _Vop(NamedTuple):
    kind: int
    seconds: int  # modulo_time_base: whole seconds since the last anchor's
    ticks: int  # vop_time_increment: a part of a second, compared only
    coded: bool
    rounding: int  # 0 for all but coded P-VOPs


class _Habit:
    """What an encoder does again and again: trusted once it was seen often enough."""

    def __init__(self) -> None:
        self._seen = 0

    def breaks(self, kept: bool) -> bool:
        """Was it ``kept`` so far, and is it no more?"""
        broken = not kept and self._seen >= _HABIT
        self._seen = self._seen + 1 if kept else 0
        return broken


class Mpeg4Headers:
    """Reads packets one after another, in coded order."""

    def __init__(self, extradata: bytes | None) -> None:
        self._time_bits = 0  # width of vop_time_increment, known once a VOL header was seen
        self._seconds, self._seconds_before = 0, 0  # of the last anchor (I- or P-VOP) and of the one before
        self._anchors: list[tuple[int, int]] = []  # times of both, as far as they are in one group
        self._last: int | None = None  # rounding type of the last P-VOP, None after an I-VOP
        self._first: int | None = None  # of the first P-VOP after the last I-VOP
        self._turning, self._beginning = _Habit(), _Habit()
        if extradata:
            self(extradata)

    def __call__(self, data: Data) -> tuple[int, bool | None, bool]:
        """(rounding type, others refer to this frame, a reference frame before it is missing).

        (0, None, False) where the packet cannot be read. The exact half-pel prediction needs the rounding type.
        """
        try:
            for code, at in start_codes(data):
                bits = Bits(data[at : at + 32])
                if code in _VOL_START:
                    self._time_bits = _time_increment_bits(bits)
                elif code == _GROUP_START:
                    self._seconds, self._anchors = _seconds(bits), []
                elif code == _VOP_START and self._time_bits:
                    vop = _vop(bits, self._time_bits)
                    return vop.rounding, vop.kind != _B, self._misses(vop)
        except EOFError:
            pass
        return 0, None, False

    def _misses(self, vop: _Vop) -> bool:
        """Is a frame missing before this one?"""
        if vop.kind == _B:
            time, anchors = (self._seconds_before + vop.seconds, vop.ticks), self._anchors
            return bool(anchors) and not (time < anchors[-1] and (len(anchors) < 2 or anchors[0] < time))
        self._seconds_before = self._seconds
        self._seconds += vop.seconds
        self._anchors = [*self._anchors, (self._seconds, vop.ticks)][-2:]
        if vop.kind == _I:
            self._last = None
        if vop.kind != _P or not vop.coded:
            return False
        last, self._last = self._last, vop.rounding
        if last is not None:
            return self._turning.breaks(vop.rounding != last)
        first, self._first = self._first, vop.rounding
        return first is not None and self._beginning.breaks(vop.rounding == first)


def _time_increment_bits(bits: Bits) -> int:
    """From a VOL header (6.2.3): bits needed for vop_time_increment_resolution - 1."""
    bits(1 + 8)  # random accessible, object type
    if bits(1):  # is_object_layer_identifier
        bits(4 + 3)
    if bits(4) == 15:  # aspect_ratio_info: extended_PAR
        bits(8 + 8)
    if bits(1):  # vol_control_parameters
        bits(2 + 1)
        if bits(1):  # vbv_parameters
            bits(15 + 1 + 15 + 1 + 15 + 1 + 3 + 11 + 1 + 15 + 1)
    bits(2 + 1)  # shape, marker
    resolution = bits(16)
    return max((resolution - 1).bit_length(), 1)


def _seconds(bits: Bits) -> int:
    """The time_code of a group of VOPs (6.2.4)."""
    hours, minutes = bits(5), bits(6)
    bits(1)  # marker
    return 3600 * hours + 60 * minutes + bits(6)


def _vop(bits: Bits, time_bits: int) -> _Vop:
    """From a VOP header (6.2.5)."""
    kind, seconds = bits(2), 0
    while bits(1):
        seconds += 1
    bits(1)  # marker
    ticks = bits(time_bits)
    bits(1)  # marker
    coded = bool(bits(1))
    return _Vop(kind, seconds, ticks, coded, bits(1) if coded and kind == _P else 0)
