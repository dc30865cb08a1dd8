"""Packets of a transport stream (ISO/IEC 13818-1): what programs it holds, and when pictures are due."""

from functools import lru_cache
from typing import NamedTuple

PACKET = 188  # bytes
PAT = 0  # the packet identifier of the table of programs
_VIDEO = (0x01, 0x02, 0x10, 0x1B, 0x24, 0x33, 0xD1, 0xD2, 0xEA)  # stream types; others are not looked at
_SECTION = 3  # bytes before what section_length counts
_CRC, _MOST_SECTION = 4, PACKET - 5  # bytes


class Packet(NamedTuple):
    """pid: whose it is. counter: of the packets of that pid, 0 to 15. stuffed: filled up, as the last one of a picture
    is. random_access: decoding can begin here. payload: without what fills it up.
    """

    pid: int
    begins: bool
    counter: int
    stuffed: bool
    random_access: bool
    payload: bytes


class Programs(NamedTuple):
    """Of one table: PAT: numbers of the programs. PMT: (program, pid, stream type) of each video stream in it."""

    numbers: frozenset[int]
    video: frozenset[tuple[int, int, int]]


def packet_of(data: bytes) -> Packet | None:
    """The packet that these 188 bytes are, if they are one."""
    if len(data) < PACKET or data[0] != 0x47:
        return None
    control, field = data[3] >> 4 & 3, data[4]
    start = 4 if control == 1 else 5 + field
    if not control & 1 or start > PACKET:  # no payload
        return None
    adapted = control == 3 and field > 0
    fixed = 1 + 6 * bool(data[5] & 0x10) + 6 * bool(data[5] & 0x08) if adapted else 0  # flags and clocks
    stuffed = control == 3 and (field == 0 or field > fixed)
    access = adapted and bool(data[5] & 0x40)
    return Packet((data[1] & 0x1F) << 8 | data[2], bool(data[1] & 0x40), data[3] & 15, stuffed, access, data[start:])


def due(payload: bytes) -> int | None:
    """When the picture that begins here is to be decoded, in 1/90000 s modulo 2^33; None where it does not say."""
    if len(payload) < 19 or payload[:3] != b"\0\0\1" or not payload[7] & 0x80:
        return None
    at = 14 if payload[7] & 0x40 else 9  # DTS, else PTS
    a, b, c, d, e = payload[at : at + 5]
    return (a >> 1 & 7) << 30 | b << 22 | c >> 1 << 15 | d << 7 | e >> 1


@lru_cache(64)  # tables are repeated ten times a second
def programs_of(payload: bytes) -> Programs | None:
    """What a PAT or PMT says that fits one packet; None for what is none, or is broken."""
    if not payload or payload[0] >= len(payload) - _SECTION:
        return None
    section = payload[1 + payload[0] :]
    length = _SECTION + ((section[1] & 0x0F) << 8 | section[2])
    if section[0] not in (0, 2) or not 8 + _CRC <= length <= min(len(section), _MOST_SECTION):
        return None
    if _crc(section[:length]):
        return None
    number, body = section[3] << 8 | section[4], section[8 : length - _CRC]
    if section[0] == 0:
        pairs = (body[i : i + 4] for i in range(0, len(body) - 3, 4))
        return Programs(frozenset(p[0] << 8 | p[1] for p in pairs if p[:2] != b"\0\0"), frozenset())
    return Programs(frozenset(), frozenset(_streams(number, body)))


def _streams(number: int, body: bytes) -> list[tuple[int, int, int]]:
    streams, at = [], 4 + ((body[2] & 0x0F) << 8 | body[3]) if len(body) >= 4 else len(body)
    while at + 5 <= len(body):
        if body[at] in _VIDEO:
            streams.append((number, (body[at + 1] & 0x1F) << 8 | body[at + 2], body[at]))
        at += 5 + ((body[at + 3] & 0x0F) << 8 | body[at + 4])
    return streams


def _crc(data: bytes) -> int:
    """CRC-32/MPEG-2 of a section with its checksum: 0 where it is whole."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte << 24
        for _ in range(8):
            value = value << 1 ^ (0x104C11DB7 if value & 0x80000000 else 0)
    return value
