"""What MPEG-4 Part 2's own headers say: the rounding type, without which half-pel prediction is not exact."""

from taplab.video.bits import Bits, start_codes

_VOL_START = range(0x20, 0x30)
_VOP_START = 0xB6


class Mpeg4Headers:
    """Reads ``vop_rounding_type`` of every P-VOP, which the exact half-pel prediction needs, and finds B-VOPs."""

    def __init__(self, extradata: bytes | None) -> None:
        self.time_bits = 0  # width of vop_time_increment, known once a VOL header was seen
        if extradata:
            self(extradata)

    def __call__(self, data: bytes) -> tuple[int, bool | None]:
        """(rounding type, others refer to this frame); (0, None) where the packet cannot be read."""
        try:
            for code, at in start_codes(data):
                if code in _VOL_START:
                    self.time_bits = _time_increment_bits(Bits(data[at : at + 32]))
                elif code == _VOP_START and self.time_bits:
                    return _rounding_type(Bits(data[at : at + 32]), self.time_bits), data[at] >> 6 != 2
        except EOFError:
            pass
        return 0, None


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
