"""Memory does not grow with the length of what comes in."""

import gc
import json
import os
import subprocess
import sys
from pathlib import Path

import av
import pytest

from taplab.video.reader import Video

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("how", [{"codec": "mpeg4"}, {"codec": "h264", "options": {"bf": "2"}}, {"codec": "hevc"}])
def test_pictures_are_let_go_of_without_the_garbage_collector(make_clip, how):
    """A cycle from a picture to itself would keep it, and a megabyte, until the collector comes by."""
    clip = make_clip(**how)
    gc.collect()
    gc.disable()
    try:
        before = sum(type(thing) is av.VideoFrame for thing in gc.get_objects())
        for _ in range(2):
            assert sum(1 for _ in Video(clip).frames()) == 30
        after = sum(type(thing) is av.VideoFrame for thing in gc.get_objects())
    finally:
        gc.enable()
    assert after - before <= 2


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads resident memory as Linux tells it")
@pytest.mark.parametrize("mode", ["paper", "live"])
def test_half_an_hour_takes_no_more_than_a_minute(tmp_path, mode):
    figures = tmp_path / "endless.json"
    command = [sys.executable, str(ROOT / "benchmarks" / "endless.py"), "--modes", mode, "--json", str(figures)]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(ROOT / "src")})
    (row,) = json.loads(figures.read_text())
    assert row["frames"] == 45_000
    assert row["most"] <= 1.05 * row["first_minute"]
