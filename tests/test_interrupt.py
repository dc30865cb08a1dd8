"""When Ctrl-C interrupts, and when it waits."""

import signal
import threading

import pytest

from taplab.interrupt import PutOff


def ctrl_c():
    signal.raise_signal(signal.SIGINT)


def test_the_first_waits_the_second_does_not():
    told = []
    with PutOff(lambda: told.append(1)) as interruption:
        assert not interruption.asked
        ctrl_c()
        assert interruption.asked
        with pytest.raises(KeyboardInterrupt):
            ctrl_c()
    assert told == [1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_some_parts_may_be_interrupted():
    with PutOff() as interruption:
        with pytest.raises(KeyboardInterrupt), interruption.suspended():
            ctrl_c()
        ctrl_c()  # is put off again
        with pytest.raises(KeyboardInterrupt), interruption.suspended():
            raise AssertionError("asked before: nothing is begun")


def test_the_program_s_own_handler_stays():
    seen = []
    before = signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
    try:
        with PutOff() as interruption:
            ctrl_c()
        assert not interruption.asked
        ctrl_c()
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [signal.SIGINT, signal.SIGINT]


def test_other_threads_have_no_handlers():
    entered = []

    def work():
        with PutOff() as interruption:
            entered.append(interruption.asked)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert entered == [False]
