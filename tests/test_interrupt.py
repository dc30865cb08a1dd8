"""When Ctrl-C interrupts, and when it waits."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from taplab.interrupt import PutOff, exit_status, interruptible, is_interrupt, own_the_process


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


@pytest.fixture
def heeding(monkeypatch):
    """SIGTERM interrupts, as in the command; Ctrl-C does nothing, as in a job in the background."""
    monkeypatch.setattr("taplab.interrupt._ending_since", None)
    monkeypatch.setattr("atexit.register", lambda function: None)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    own_the_process()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_termination_is_put_off_and_told_from_ctrl_c(heeding, monkeypatch):
    monkeypatch.setattr("taplab.interrupt._received", signal.SIGINT)
    assert exit_status() == 130
    handler = signal.getsignal(signal.SIGTERM)
    with PutOff() as interruption:
        signal.raise_signal(signal.SIGTERM)
        assert interruption.asked
        ctrl_c()  # stays ignored
    assert signal.getsignal(signal.SIGTERM) is handler
    assert exit_status() == 143
    signal.raise_signal(signal.SIGTERM)  # the same wish: it breaks into nothing


OWNED = """
import os, signal, sys, time
from taplab.interrupt import exit_status, own_the_process

class Late:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)

own_the_process()
late = Late()  # goes where Python has taken its handlers away
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(5)
except KeyboardInterrupt:
    os.kill(os.getpid(), signal.{second})
    time.sleep({pause})
    os.kill(os.getpid(), signal.{second})
    print("interrupted")
    sys.exit(exit_status())
"""


@pytest.mark.skipif(os.name == "nt", reason="sends signals")
@pytest.mark.parametrize("second", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize(("pause", "says"), [(0, "interrupted\n"), (1.1, "")])  # seconds: the same wish, another one
def test_signals_after_the_first_raise_nothing(second, pause, says):
    code = OWNED.format(second=second, pause=pause)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (130, says, "")


DROPPED = """
import os, signal, sys, time
from taplab.interrupt import exit_status, own_the_process

class Going:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)

own_the_process()
try:
    Going()  # Python tells what is raised there, and goes on
    time.sleep(20)
except KeyboardInterrupt:
    print("interrupted")
    sys.exit(exit_status())
"""


@pytest.mark.skipif(os.name == "nt", reason="sends signals")
def test_an_interrupt_that_python_drops_comes_again():
    run = subprocess.run([sys.executable, "-c", DROPPED], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (130, "interrupted\n", "")


LOADED = """
import os, pathlib, signal, sys, time
from taplab.interrupt import exit_status, own_the_process

own_the_process()
sys.path.insert(0, sys.argv[1])
try:
    import slow
    time.sleep(20)
except KeyboardInterrupt:
    print("interrupted", sys.modules["slow"].loaded)
    sys.exit(exit_status())
"""


@pytest.mark.skipif(os.name == "nt", reason="sends signals")
def test_a_module_is_loaded_before_an_interrupt(tmp_path):
    (tmp_path / "slow.py").write_text(
        "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(0.3)\nloaded = 1"
    )
    command = [sys.executable, "-c", LOADED, str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (130, "interrupted 1\n", "")


def test_what_is_raised_elsewhere_in_a_finaliser_is_told_as_ever():
    code = DROPPED.replace("os.kill(os.getpid(), signal.SIGINT)", "raise ValueError('mine')").replace("20", "0")
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, "")
    assert "ValueError: mine" in run.stderr


def test_compiled_code_makes_another_error_of_an_interrupt():
    def raised(cause):
        error = SystemError("returned a result with an exception set")
        error.__cause__ = cause
        return error

    assert is_interrupt(KeyboardInterrupt())
    assert is_interrupt(raised(KeyboardInterrupt()))
    assert not any(map(is_interrupt, (raised(None), raised(ValueError()), ValueError(), None)))


def test_other_threads_have_no_handlers():
    entered = []

    def work():
        with PutOff() as interruption:
            entered.append(interruption.asked)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert entered == [False]


def test_a_call_that_hangs_is_left_and_what_it_returns_discarded():
    hangs, discarded, done = threading.Event(), [], threading.Event()

    def call():
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        hangs.wait(20)
        return "late"

    def discard(result):
        discarded.append(result)
        done.set()

    with pytest.raises(KeyboardInterrupt):
        interruptible(call, discard)
    assert not discarded
    hangs.set()
    assert done.wait(20)
    assert discarded == ["late"]


def test_a_call_in_time_gives_its_result_or_its_error():
    discarded = []
    assert interruptible(lambda: 7, discarded.append) == 7
    with pytest.raises(TimeoutError, match="its own"):
        interruptible(lambda: (_ for _ in ()).throw(TimeoutError("its own")), discarded.append)
    assert not discarded


def test_other_threads_call_it_themselves():
    called = []
    thread = threading.Thread(target=interruptible, args=(lambda: called.append(threading.current_thread()), print))
    thread.start()
    thread.join()
    assert called == [thread]


@pytest.mark.parametrize(("status", "says"), [("3", 3), ("None", 0), ("'why'", 1)])
def test_a_process_of_its_own_ends_at_once_with_its_status(status, says):
    """Nothing is taken down, nothing that was printed is lost."""
    code = f"""
import atexit, sys
from taplab.interrupt import ends_with, own_the_process

own_the_process()
atexit.register(print, "left", end="")
print("done ", end="")
ends_with({status})
sys.exit({status})
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (run.returncode, run.stdout) == (says, "done left")
    assert run.stderr == ("why\n" if says == 1 else "")
