import threading
import time

import pytest

from taplab import Segmenter
from taplab.output.backlog import Backlog
from taplab.output.masks import MaskWriter


def test_the_caller_goes_on_while_jobs_run():
    held, backlog = threading.Event(), Backlog("test", 1, most=3)
    for _ in range(3):
        backlog.add(held.wait, 60)  # none of them is done, and nothing waits
    assert backlog.waited == 0
    held.set()
    backlog.finish()


def test_too_many_jobs_hold_the_caller_up():
    backlog = Backlog("test", 1, most=1)
    backlog.add(time.sleep, 0.1)
    backlog.add(time.sleep, 0.1)
    assert backlog.waited > 0.05
    backlog.finish()
    assert backlog.waited > 0.1


def test_an_error_reaches_the_caller():
    def fail():
        raise ValueError("full")

    backlog = Backlog("test", 1, most=3)
    backlog.add(fail)
    with pytest.raises(ValueError, match="full"):
        backlog.finish()


def test_write_is_what_the_pipeline_waited(make_clip, tmp_path, monkeypatch):
    saved = MaskWriter._save

    def slow_at_the_end(self, index, labels):
        if index == 6:
            time.sleep(0.3)
        saved(self, index, labels)

    monkeypatch.setattr(MaskWriter, "_save", slow_at_the_end)
    summary = Segmenter("bl2-synthetic").run(make_clip("mpeg4"), tmp_path, save=["masks"], max_frames=7)
    assert 0.25 < summary.seconds["write"] < summary.seconds["total"]
