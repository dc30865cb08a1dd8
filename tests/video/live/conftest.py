"""What every room of these tests needs: a transport stream, and a server that sends it."""

import socket
import threading
from contextlib import contextmanager

import pytest


@pytest.fixture
def clip(make_clip):
    """Thirty frames of H.264 as a transport stream, an I-frame in every ten."""
    return make_clip("h264", ".ts", gop=10)


@pytest.fixture
def sending():
    """``sending(*connections, hold=False)``, in a ``with``: the address of a server that sends one of ``connections``,
    bytes, to each that comes, and then is gone. hold: the last connection stays open, silent.
    """

    @contextmanager
    def sending(*connections, hold=False):
        server, held = socket.create_server(("127.0.0.1", 0)), []

        def serve():
            for k, data in enumerate(connections):
                peer, _ = server.accept()
                peer.sendall(data)
                held.append(peer)
                if not hold or k + 1 < len(connections):
                    peer.close()
            if not hold:
                server.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
        for peer in held:
            peer.close()
        server.close()

    return sending
