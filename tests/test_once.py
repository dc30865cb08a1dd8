"""Worked out once, by whoever asks first."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from taplab.once import Once


def test_threads_that_ask_at_once_get_one_result():
    asked, go = [], threading.Event()

    def work():
        asked.append(threading.current_thread().name)
        go.wait(10)
        return object()

    once = Once(work)
    with ThreadPoolExecutor(4) as pool:
        results = [pool.submit(lambda: once.value) for _ in range(4)]
        go.set()
        first, *others = (result.result() for result in results)
    assert all(other is first for other in others)
    assert len(asked) == 1


def test_an_error_is_raised_at_every_look():
    def fails():
        raise ValueError("no")

    once = Once(fails)
    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            _ = once.value
