"""Where transport streams were joined end to end: no loss, though their packet counters jump there."""

from collections.abc import Iterator

from taplab.video.gops import Packet

_BEFORE = 2  # packets before a seam of which one may be marked: a parser may mark the one before the last


def unmarked_at_seams(packets: Iterator["Packet | None"]) -> Iterator["Packet | None"]:
    """The packets; those just before a seam are no longer marked as corrupt.

    At a seam the time goes back and a key packet begins anew. If the end of the part before it was cut off, the decoder
    tells. A marked packet is held back until the two after it have come.
    """
    held: list[Packet] = []
    for packet in packets:
        if packet is None:
            break
        if held and _begins_anew(packet, held[-1]):
            for marked in held:
                marked.is_corrupt = False
        held.append(packet)
        while held and (not held[0].is_corrupt or len(held) > _BEFORE):
            yield held.pop(0)
    yield from held
    yield None


def _begins_anew(packet: Packet, before: Packet) -> bool:
    return packet.is_keyframe and packet.dts is not None and before.dts is not None and packet.dts < before.dts
