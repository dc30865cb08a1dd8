"""What MPEG-1 and MPEG-2 picture headers say: whether others refer to a frame, and whether one before it was lost.

``temporal_reference`` counts the frames of a group in display order; FFmpeg passes over a gap in it without a word
(ISO/IEC 13818-2, 6.3.9).
"""

from taplab.video.bits import Data, start_codes

MPEG12 = ("mpeg1video", "mpeg2video")  # codecs
_PICTURE_START, _GROUP_START = 0x00, 0xB8
_I, _B = 1, 3  # picture_coding_type
_MODULUS = 1 << 10


class Mpeg12Headers:
    """Reads packets one after another, in coded order."""

    def __init__(self) -> None:
        self._without_b: bool | None = None  # are there no B-frames, as far as was seen? None: not known yet
        self._anchors: tuple[int, int] | None = None  # temporal references of the last two I- or P-frames
        self._between = 0  # B-frames since the last of them

    def __call__(self, packet: Data) -> tuple[bool | None, bool]:
        """(others refer to this frame, a reference frame before it is missing); (None, False) without a header.

        Where there are B-frames, a frame missing before the last I- or P-frame is told with the frame after that.
        """
        for code, at in start_codes(packet):
            if code == _GROUP_START:
                self._anchors = None
            elif code == _PICTURE_START and at + 2 <= len(packet):
                return self._picture(packet[at] << 2 | packet[at + 1] >> 6, (packet[at + 1] >> 3) & 7)
        return None, False

    def _picture(self, number: int, kind: int) -> tuple[bool, bool]:
        anchors = self._anchors
        if kind == _B:
            self._between += 1
            self._without_b = False
            return False, anchors is not None and not _lies_between(*anchors, number)
        lost = kind != _I and anchors is not None and self._is_gap(*anchors, number)
        self._anchors = (number if anchors is None else anchors[1]), number
        self._between = 0
        return True, lost

    def _is_gap(self, before: int, last: int, number: int) -> bool:
        step = (number - last) % _MODULUS
        if step == 1 and self._without_b is None:
            self._without_b = True
        if self._without_b:
            return step not in (0, 1)  # 0: the second field of a frame
        return number != last and self._between < (last - before) % _MODULUS - 1


def _lies_between(before: int, last: int, number: int) -> bool:
    """Is a B-frame shown between the last two anchors? Of one alone, before it."""
    if before == last:
        return 0 < (last - number) % _MODULUS < _MODULUS // 2
    return 0 < (number - before) % _MODULUS < (last - before) % _MODULUS
