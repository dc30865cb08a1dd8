"""Passes of a network side by side, each on one thread: all threads together share a small picture badly."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import torch
from torch import Tensor


def side_by_side(run: Callable[[int], Tensor], count: int) -> list[Tensor]:
    """``run(0)`` to ``run(count - 1)``, as many at a time as torch has threads."""
    return list(_threads(torch.get_num_threads()).map(run, range(count)))


@cache
def _threads(count: int) -> ThreadPoolExecutor:
    """Threads that compute alone."""
    begun = threading.Barrier(count + 1)

    def begin() -> None:
        torch.get_num_threads()  # sets it for this thread, or the first operation would
        torch.set_num_threads(1)
        begun.wait()

    pool = ThreadPoolExecutor(count, "taplab-network", initializer=begin)
    for _ in range(count):
        pool.submit(int)  # begins a thread, since none that was begun is free
    begun.wait()
    torch.set_num_threads(count)  # what threads begin with from now on is what the last one set
    return pool


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.cache_clear)  # a child has none of these threads
