import threading

import pytest


@pytest.fixture
def threads_of(monkeypatch):
    """``threads_of(owner, name)``: a set that gets the names of the threads that call this function of its owner."""

    def watched(owner, name):
        function, names = getattr(owner, name), set()

        def called(*args):
            names.add(threading.current_thread().name)
            return function(*args)

        monkeypatch.setattr(owner, name, called)
        return names

    return watched
