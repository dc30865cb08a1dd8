import time

from taplab.timing import Stopwatch


def test_a_stage_inside_another_interrupts_it():
    stopwatch = Stopwatch()
    with stopwatch("warp"):
        with stopwatch("network"):
            time.sleep(0.05)
        time.sleep(0.01)
    assert stopwatch.seconds["network"] >= 0.05
    assert 0.01 <= stopwatch.seconds["warp"] < 0.05


def test_items_are_passed_on_and_timed():
    stopwatch = Stopwatch()

    def slow():
        for i in range(3):
            with stopwatch("wait"):
                time.sleep(0.01)
            yield i

    assert list(stopwatch.each("warp", slow())) == [0, 1, 2]
    assert stopwatch.seconds["wait"] >= 0.03
    assert stopwatch.seconds["warp"] < 0.03
