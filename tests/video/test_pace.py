"""Looking ahead in what comes: which of it is a recording, and nothing is lost by it."""

import time

import av
import pytest

from taplab.video.pace import Incoming, are_the_same, keeps_time


@pytest.fixture
def clip(make_clip):
    """Thirty frames, 2 s."""
    return make_clip("h264", ".ts", gop=10)


@pytest.fixture
def packets(clip):
    """Of the clip, without the one that flushes."""
    with av.open(str(clip)) as container:
        yield [packet for packet in container.demux(video=0) if packet.size]


@pytest.mark.parametrize(("seconds_ago", "is_one"), [(0, True), (3, False)])
def test_all_of_it_sooner_than_it_plays(packets, seconds_ago, is_one):
    incoming = Incoming(iter(packets))
    assert incoming.outruns_the_clock(time.monotonic() - seconds_ago) is is_one
    assert list(incoming) == packets


def test_what_was_kept_for_who_comes_is_no_recording(packets):
    """All of the clip at once, then one packet in a tenth of a second."""

    def coming():
        yield from packets
        while True:
            time.sleep(0.1)
            yield packets[-1]

    incoming, began = Incoming(coming()), time.monotonic()
    assert not incoming.outruns_the_clock(began)
    assert time.monotonic() - began < 5
    assert [next(incoming) for _ in packets] == packets


def test_an_error_waits_for_its_turn(packets):
    def broken():
        yield from packets[:3]
        raise av.error.ExitError(1, "nothing comes")

    incoming = Incoming(broken())
    incoming.outruns_the_clock(time.monotonic())
    assert [next(incoming) for _ in range(3)] == packets[:3]
    with pytest.raises(av.error.ExitError):
        next(incoming)
    assert next(incoming, None) is None


def test_beginnings(packets):
    def beginning(some):
        incoming = Incoming(iter(some))
        list(incoming)
        return incoming.beginning

    assert are_the_same(beginning(packets), beginning(packets[:2]))
    assert not are_the_same(beginning(packets), beginning(packets[1:]))
    assert not are_the_same(beginning(packets), beginning([]))


@pytest.mark.parametrize(("suffix", "keeps"), [(".ts", True), (".mkv", True), (".h264", False)])
def test_raw_streams_keep_no_time(make_clip, suffix, keeps):
    with av.open(str(make_clip("h264", suffix))) as container:
        assert keeps_time(container) is keeps
