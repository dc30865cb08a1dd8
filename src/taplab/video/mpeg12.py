"""What MPEG-1 and MPEG-2 picture headers say: whether others refer to a frame."""

from taplab.video.bits import start_codes

_PICTURE_START = 0x00
_B = 3  # picture_coding_type


def others_refer_to(packet: bytes) -> bool | None:
    """False for a B-picture; None where the packet holds no picture header."""
    for code, at in start_codes(packet):
        if code == _PICTURE_START and at + 2 <= len(packet):
            return (packet[at + 1] >> 3) & 7 != _B  # after ten bits of temporal_reference
    return None
