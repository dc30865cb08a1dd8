"""Where transport streams were joined end to end: no loss, though their packet counters jump there.

Files are cut where time goes back, before FFmpeg sees it (``transport``); of what comes over a network this is all
there is to go by.
"""

from collections.abc import Callable, Collection, Iterator

from taplab.video.gops import Packet

_BEFORE = 2  # packets before a seam of which one may be marked: a parser may mark the one before the last


def unmarked_at_seams(
    packets: Iterator["Packet | None"], is_seam: Callable[[Packet, Packet], bool]
) -> Iterator["Packet | None"]:
    """The packets; those just before a seam are no longer marked as corrupt.

    is_seam: is told a packet and one of the marked ones before it. A marked packet is held back until the two after it
    have come.
    """
    held: list[Packet] = []
    for packet in packets:
        if packet is None:
            break
        if held and any(is_seam(packet, before) for before in held):
            for marked in held:
                marked.is_corrupt = False
        held.append(packet)
        while held and (not held[0].is_corrupt or len(held) > _BEFORE):
            yield held.pop(0)
    yield from held
    yield None


def last_marked(packets: Iterator["Packet | None"], broken: Callable[[], bool]) -> Iterator["Packet | None"]:
    """The packets; the last one is marked as corrupt where ``broken``, asked once all are read, says so."""
    before: Packet | None = None
    for packet in packets:
        if packet is None:
            break
        if before is not None:
            yield before
        before = packet
    if before is not None:
        before.is_corrupt = before.is_corrupt or broken()
        yield before
    yield None


def begins_anew(packet: Packet, before: Packet) -> bool:
    """A key packet with which time goes back. If the end of the part before it was cut off, the decoder must tell."""
    return packet.is_keyframe and packet.dts is not None and before.dts is not None and packet.dts < before.dts


def goes_on(packet: Packet, before: Packet) -> bool:
    """A key packet in its time, as a segment of a playlist begins, whose packets may be counted anew."""
    if not packet.is_keyframe or packet.dts is None or before.dts is None or not before.duration:
        return False
    return 0 < packet.dts - before.dts < 1.5 * _BEFORE * before.duration


def lies_between(joints: Collection[int], packet: Packet, before: Packet) -> bool:
    """Is one of the bytes after the first of ``before``, and none of ``packet``?"""
    first, end = before.pos, packet.pos
    return first is not None and end is not None and any(first < at <= end for at in joints)
