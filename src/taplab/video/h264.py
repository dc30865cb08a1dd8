"""What H.264's own headers say: which frames others refer to, and whether a reference frame was lost on the way.

Every slice carries ``frame_num``, which counts reference frames. FFmpeg conceals a gap in it without a word: the
pictures after it are predicted from the wrong frames, and only the count tells (ITU-T H.264, 7.3 and 7.4.3).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from taplab.video.bits import Bits, Data, nal_units

SLICES = range(1, 6)  # NAL unit types 1 to 5; 5 is an IDR picture
IDR, _SPS, _PPS = 5, 7, 8
PARAMETER_SETS = (_SPS, _PPS, 13, 15)  # with the extensions of the first
# Profiles whose SPS holds chroma format and scaling matrices.
_HIGH_PROFILES = (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135)


@dataclass(frozen=True)
class _Sps:
    frame_num_bits: int
    colour_planes: bool  # separate_colour_plane_flag: slices say which one they are of
    references: int  # max_num_ref_frames
    gaps_allowed: bool
    right: int  # the first column and row, in coded pixels, that are not shown any more
    bottom: int
    left: int  # the first that are
    top: int


class H264Headers:
    """Reads packets one after another, in coded order."""

    def __init__(self, extradata: bytes | None) -> None:
        self.given: list[bytes] = []  # parameter sets that the container holds
        self._length = 0  # bytes of a NAL unit's length, 0 for start codes
        self._sps: dict[int, _Sps] = {}
        self._sps_of_pps: dict[int, int] = {}
        self._before: int | None = None  # frame_num of the last reference frame
        if extradata and extradata[0] == 1 and len(extradata) > 6:  # avcC, as in mp4 and mkv
            self._length = (extradata[4] & 3) + 1
            self.given = list(_avcc_parameter_sets(extradata))
        elif extradata:
            self.given = [bytes(unit) for unit in self.units(extradata)]
        for unit in self.given:
            self._read_unit(unit)

    @property
    def most_references(self) -> int:
        """Reference frames that the decoder keeps, at most; 0 before the first parameter set."""
        return max((sps.references for sps in self._sps.values()), default=0)

    def cut_off(self, width: int, height: int) -> tuple[int, int]:
        """Columns and rows that are coded to the left of and above a picture of this size, and are not part of it.

        FFmpeg may leave some of the columns there, so that rows begin at addresses that processors like.
        """
        for sps in self._sps.values():
            left, top = sps.right - width, sps.bottom - height
            if 0 <= left <= sps.left and top == sps.top:
                return left, top
        return 0, 0

    def __call__(self, packet: Data) -> tuple[bool | None, bool, bool]:
        """(others refer to this frame, a reference frame before it is missing, its own beginning is missing).

        (None, False, False) where it cannot be read.
        """
        refers, lost, headless = None, False, False
        for unit in self.units(packet):
            header = unit[0]
            if header & 31 in SLICES:
                if refers is None:  # the first slice tells for the whole picture
                    lost, headless = self._gaps(unit)
                refers = bool(refers) or bool(header & 0x60)
            else:
                self._read_unit(unit)
        return refers, lost, headless

    def units(self, packet: Data) -> Iterator[Data]:
        """The NAL units of a packet."""
        return nal_units(packet, self._length)

    def _read_unit(self, unit: Data) -> None:
        """Parameter sets are remembered, all else is passed over."""
        try:
            if unit and unit[0] & 31 == _SPS:
                bits = _payload(unit, 512)
                key, sps = _read_sps(bits)
                self._sps[key] = sps
            elif unit and unit[0] & 31 == _PPS:
                bits = _payload(unit, 16)
                key = bits.golomb()
                self._sps_of_pps[key] = bits.golomb()
        except EOFError:
            pass

    def _gaps(self, unit: Data) -> tuple[bool, bool]:
        """Of a picture's first slice: does it come after a gap in frame_num, and does it begin below the top?"""
        try:
            bits = _payload(unit, 24)
            headless = bits.golomb() > 0  # first_mb_in_slice
            bits.golomb()  # slice_type
            sps = self._sps[self._sps_of_pps[bits.golomb()]]
            bits(2 if sps.colour_planes else 0)
            number = bits(sps.frame_num_bits)
        except (EOFError, KeyError):
            return False, False
        before, modulus = self._before, 1 << sps.frame_num_bits
        if unit[0] & 0x60:
            self._before = number
        if unit[0] & 31 == IDR or before is None or sps.gaps_allowed:
            return False, headless
        return number not in (before, (before + 1) % modulus), headless  # equal: the second field of a frame


def _payload(unit: Data, most: int) -> Bits:
    """The bits after the NAL header, without emulation prevention bytes."""
    return Bits(bytes(unit[1:most]).replace(b"\0\0\3", b"\0\0"))


def _avcc_parameter_sets(extradata: bytes) -> Iterator[bytes]:
    at, count = 6, extradata[5] & 31
    for _ in range(2):  # sequence parameter sets, then picture parameter sets
        for _ in range(count):
            size = int.from_bytes(extradata[at : at + 2], "big")
            yield extradata[at + 2 : at + 2 + size]
            at += 2 + size
        if at >= len(extradata):
            return
        at, count = at + 1, extradata[at]


def _read_sps(bits: Bits) -> tuple[int, _Sps]:
    """Its id and what is needed of it (7.3.2.1.1)."""
    profile = bits(8)
    bits(8 + 8)  # constraints, level
    key = bits.golomb()
    colour_planes, chroma = False, 1
    if profile in _HIGH_PROFILES:
        chroma = bits.golomb()
        colour_planes = chroma == 3 and bool(bits(1))
        bits.golomb()  # bit depths
        bits.golomb()
        bits(1)
        if bits(1):
            for i in range(12 if chroma == 3 else 8):
                if bits(1):
                    _skip_scaling_list(bits, 16 if i < 6 else 64)
    frame_num_bits = bits.golomb() + 4
    order = bits.golomb()  # pic_order_cnt_type
    if order == 0:
        bits.golomb()
    elif order == 1:
        bits(1)
        bits.golomb()
        bits.golomb()
        for _ in range(bits.golomb()):
            bits.golomb()
    references, gaps_allowed = bits.golomb(), bool(bits(1))
    return key, _Sps(
        frame_num_bits, colour_planes, references, gaps_allowed, *_edges(bits, 0 if colour_planes else chroma)
    )


def _edges(bits: Bits, chroma: int) -> tuple[int, int, int, int]:
    """(right, bottom, left, top) of what is shown, in coded pixels; chroma: 1 4:2:0, 2 4:2:2."""
    columns, rows = bits.golomb() + 1, bits.golomb() + 1
    fields = 1 - bits(1)
    bits(1 + fields)  # mb_adaptive_frame_field_flag, direct_8x8_inference_flag
    left, right, top, bottom = (bits.golomb() for _ in range(4)) if bits(1) else (0, 0, 0, 0)
    x, y = 2 if chroma in (1, 2) else 1, (2 if chroma == 1 else 1) * (1 + fields)
    return 16 * columns - right * x, 16 * rows * (1 + fields) - bottom * y, left * x, top * y


def _skip_scaling_list(bits: Bits, size: int) -> None:
    last = 8
    for _ in range(size):
        code = bits.golomb()
        delta = (code + 1) // 2 if code & 1 else -(code // 2)
        last = (last + delta) % 256
        if last == 0:
            return
