import threading
import time

import pytest

from taplab.ahead import called_ahead
from taplab.timing import Stopwatch


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_results_come_in_the_order_of_the_items(threads):
    def slow_at_first(k):
        time.sleep(0.02 if k == 0 else 0)
        return 10 * k

    assert list(called_ahead(slow_at_first, range(20), threads, Stopwatch())) == [10 * k for k in range(20)]


def test_works_on_other_threads_and_not_too_far_ahead():
    names, taken = set(), []

    def items():
        for k in range(30):
            taken.append(k)
            yield k

    def work(k):
        names.add(threading.current_thread().name)
        time.sleep(0.005)
        return k

    for k in called_ahead(work, items(), 2, Stopwatch()):
        assert len(taken) <= k + 6
    assert names
    assert all(name.startswith("taplab-results") for name in names)


def test_threads_have_work_while_an_item_is_waited_for():
    done, seen, patience = [], [], time.monotonic() + 10

    def items():
        yield from range(12)
        while len(done) < 12 and time.monotonic() < patience:  # the network runs
            time.sleep(0.001)
        seen.extend(done)
        yield 12

    assert list(called_ahead(done.append, items(), 2, Stopwatch(), most=12)) == [None] * 13
    assert sorted(seen) == list(range(12))


def test_without_threads_everything_is_done_when_asked_for():
    done = []
    results = called_ahead(done.append, range(5), 0, Stopwatch())
    next(results)
    assert done == [0]


def test_an_error_is_raised_in_its_place_and_nothing_is_left_running():
    def work(k):
        if k == 3:
            raise ValueError("three")
        return k

    results, seen = called_ahead(work, range(10), 2, Stopwatch()), []
    with pytest.raises(ValueError, match="three"):
        seen.extend(iter(lambda: next(results), None))
    assert [t for t in threading.enumerate() if t.name.startswith("taplab-results")] == []


def test_an_error_of_the_items_costs_no_result_before_it():
    def items():
        yield from range(3)
        raise ValueError("three")

    seen = []
    with pytest.raises(ValueError, match="three"):
        seen.extend(result for result in called_ahead(lambda k: time.sleep(0.05) or k, items(), 2, Stopwatch()))
    assert seen == [0, 1, 2]


def test_closing_it_begins_nothing_more():
    done = []

    def work(k):
        time.sleep(0.01)
        done.append(k)

    results = called_ahead(work, range(100), 2, Stopwatch())
    next(results)
    results.close()
    assert len(done) < 10
