from collections.abc import Callable
from pathlib import Path

import av
import pytest


@pytest.fixture
def remuxed() -> Callable[..., Path]:
    """``remuxed(source, target, keep)``: the packets of ``source`` for whose number ``keep`` holds."""

    def make(source: Path, target: Path, keep: Callable[[int], bool]) -> Path:
        with av.open(str(source)) as a, av.open(str(target), "w") as b:
            stream = b.add_stream_from_template(a.streams.video[0])
            for i, packet in enumerate(a.demux(a.streams.video[0])):
                if packet.dts is not None and keep(i):
                    packet.stream = stream
                    b.mux(packet)
        return target

    return make
