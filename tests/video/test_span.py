from fractions import Fraction

import av
import pytest

from taplab.video.span import Span


def span(*times, duration=0.04):
    """Of packets that are presented at ``times`` in seconds, None for no time."""
    span, base = Span(), Fraction(1, 90000)
    for time in times:
        packet = av.Packet(b"coded")
        packet.time_base, packet.duration = base, round(duration / base)
        packet.pts = None if time is None else round(time / base)
        span.add(packet)
    return span


def test_it_begins_with_the_first_and_ends_with_the_last_shown():
    assert span(7.0, 7.12, 7.04, None, 7.08).seconds == pytest.approx(0.16)
    assert span(None).seconds == 0


@pytest.mark.parametrize(
    ("last", "length", "why"),
    [
        (4.66, 20.0, "ends after 4.7 s of 20 s"),
        (18.9, 20.0, "ends after 18.9 s of 20 s"),
        (18.97, 20.0, None),  # within a second
        (94.0, 100.0, "ends after 94.0 s of 100 s"),
        (95.0, 100.0, None),  # within 5 %
        (25.0, 20.0, None),
        (0.0, 0.9, None),
    ],
)
def test_an_end_counts_near_the_announced_length(last, length, why):
    assert span(0.0, last).ends_short_of(round(length * 1e6)) == why
    assert span(300.0, 300.0 + last).ends_short_of(round(length * 1e6)) == why  # wherever its times begin


def test_where_nothing_is_known_an_end_is_an_end():
    assert span(0.0, 1.0).ends_short_of(None) is None
    assert span(None, None).ends_short_of(20_000_000) is None
