"""What HEVC's NAL unit headers say: whether a picture comes of a packet (ITU-T H.265, 7.4.2.2).

Decoding begins with an intra random access point (IRAP). Leading pictures that refer to what was before it (RASL) are
left out where it is the first one, or where the stream was cut (BLA).
"""

from taplab.video.bits import Data, nal_units

_RASL = (8, 9)
_IRAP, _BLA, _SLICES = range(16, 24), range(16, 19), range(32)
_ENDS = frozenset(range(35, 39))  # delimiters, ends of a sequence or stream, filler
_HVCC_LENGTH = 21  # byte of hvcC that says how many bytes the length of a NAL unit has


class HevcHeaders:
    """Reads packets one after another, in coded order. extradata: of the stream."""

    def __init__(self, extradata: bytes | None) -> None:
        is_hvcc = extradata is not None and len(extradata) > _HVCC_LENGTH and extradata[:2] != b"\0\0"
        self._length = (extradata[_HVCC_LENGTH] & 3) + 1 if extradata is not None and is_hvcc else 0
        self.before = 0  # pictures before the first IRAP picture
        self._began = False
        self._begins_here = False  # at the last IRAP picture

    def __call__(self, packet: Data) -> bool:
        """Whether its picture is to be shown, if nothing is lost of it and of what it refers to."""
        kinds = [unit[0] >> 1 & 63 for unit in nal_units(packet, self._length)]
        kind = next((k for k in kinds if k in _SLICES), None)  # None: its slices are lost, or it has none
        if kind in _IRAP:
            self._begins_here = not self._began or kind in _BLA
            self._began = True
        self.before += kind is not None and not self._began
        ends = bool(kinds) and _ENDS.issuperset(kinds)
        return self._began and not ends and not (self._begins_here and kind in _RASL)
