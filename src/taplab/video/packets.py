"""What the reader needs to know from a packet's own bits: rounding type and whether others refer to the frame."""

from collections.abc import Callable, Iterator

_VOL_START = range(0x20, 0x30)
_VOP_START = 0xB6


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


def _start_codes(data: bytes) -> Iterator[tuple[int, int]]:
    """(code, position after it) of every 00 00 01 xx."""
    at = data.find(b"\0\0\1")
    while 0 <= at < len(data) - 3:
        yield data[at + 3], at + 4
        at = data.find(b"\0\0\1", at + 3)


class Mpeg4Rounding:
    """Reads ``vop_rounding_type`` of every P-VOP, which the exact half-pel prediction needs."""

    def __init__(self, extradata: bytes | None) -> None:
        self.time_bits = 0  # width of vop_time_increment, known once a VOL header was seen
        if extradata:
            self(extradata)

    def __call__(self, data: bytes) -> int:
        """0 or 1; 0 also where the packet cannot be read."""
        try:
            for code, at in _start_codes(data):
                if code in _VOL_START:
                    self.time_bits = _time_increment_bits(Bits(data[at : at + 32]))
                elif code == _VOP_START and self.time_bits:
                    return _rounding_type(Bits(data[at : at + 32]), self.time_bits)
        except EOFError:
            pass
        return 0


def _time_increment_bits(bits: Bits) -> int:
    """From a VOL header (ISO/IEC 14496-2, 6.2.3): bits needed for vop_time_increment_resolution - 1."""
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


def _rounding_type(bits: Bits, time_bits: int) -> int:
    """From a VOP header (6.2.5); 0 for all but coded P-VOPs."""
    coding_type = bits(2)
    while bits(1):  # modulo_time_base
        pass
    bits(1 + time_bits + 1)
    coded = bits(1)
    return bits(1) if coded and coding_type == 1 else 0


def h264_reference_reader(extradata: bytes | None) -> Callable[[bytes], bool]:
    """A function that tells whether other frames refer to a packet's frame (``nal_ref_idc > 0`` in a slice)."""
    length = (extradata[4] & 3) + 1 if extradata and len(extradata) > 4 and extradata[0] == 1 else 0

    def is_reference(data: bytes) -> bool:
        headers = _length_prefixed(data, length) if length else (code for code, _ in _start_codes(data))
        return any(header & 0x60 for header in headers if 1 <= header & 0x1F <= 5)

    return is_reference


def _length_prefixed(data: bytes, length: int) -> Iterator[int]:
    """First byte of each NAL unit of a packet in mp4 style."""
    at = 0
    while at + length < len(data):
        size = int.from_bytes(data[at : at + length], "big")
        yield data[at + length]
        at += length + size
