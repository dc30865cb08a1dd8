import ctypes
import os
import subprocess
import sys

import pytest

from taplab.memory import keep_freed_memory

# Pages that the kernel had to clear for a block that was freed and asked for again five times.
FAULTS = """
import resource
import torch
from taplab import Segmenter, TorchModel
Segmenter(TorchModel(torch.nn.Identity(), classes=("a", "b", "c")))
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        torch.ones(1 << 26, dtype=torch.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""
ON_GLIBC = sys.platform == "linux" and hasattr(ctypes.CDLL(None), "gnu_get_libc_version")


def faults(**settings):
    plain = {k: v for k, v in os.environ.items() if k != "GLIBC_TUNABLES" and not k.startswith("MALLOC_")}
    run = subprocess.run([sys.executable, "-c", FAULTS], env={**plain, **settings}, capture_output=True, check=True)
    return int(run.stdout)


@pytest.mark.skipif(not ON_GLIBC, reason="no glibc")
def test_what_is_freed_is_kept_unless_the_user_says_otherwise():
    assert 10 * faults() < faults(MALLOC_TRIM_THRESHOLD_="131072")


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_other_systems_are_left_alone(monkeypatch, system):
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(ctypes, "CDLL", None)
    keep_freed_memory()


def test_so_are_other_libraries_on_linux(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    keep_freed_memory()
