import os
import subprocess
import sys
from pathlib import Path

import pytest

import taplab

# Squares whatever it is given. Worker k writes the index k-th and the machine code last but k, after all have read an
# empty index: with names that others give too, the index would call the code of one by the name of another.
KERNEL = """
from {njit} import njit
from callee import twice

@njit(cache=True)
def square(x):
    return x * twice(x) / 2
"""
CALLEE = """
from {njit} import njit

@njit(cache=True)
def twice(x):
    return x * {factor}
"""
WORK = """
import sys, time
from pathlib import Path
import numpy as np
from numba.core.caching import IndexDataCacheFile as Files
from kernel import square

me, workers, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
save_index, save_data = Files._save_index, Files._save_data

def in_turn(save, turn, of):
    def saved(self, *what):
        if "square" in self._index_name:
            (folder / f"read-{me}").touch()
            while len(list(folder.glob("read-*"))) < workers or len(list(folder.glob("done-*"))) < turn:
                time.sleep(0.001)
        save(self, *what)
        if "square" in self._index_name:
            (folder / f"done-{of}-{me}").touch()
    return saved

Files._save_index = in_turn(save_index, me, "index")
Files._save_data = in_turn(save_data, 2 * workers - 1 - me, "data")
kinds = [np.float64, np.float32, np.complex128]
print(*[square(kinds[k](3)) for k in ([me] if workers else range(3))], sum(square.stats.cache_hits.values()))
"""


@pytest.fixture
def start(tmp_path):
    """``start(me, workers)``: a process that calls the kernel for one type, or for all."""
    (tmp_path / "work.py").write_text(WORK)
    settings = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}
    settings["PYTHONPATH"] = f"{tmp_path}{os.pathsep}{Path(taplab.__file__).parents[1]}"

    def start(me=0, workers=0):
        how = [sys.executable, str(tmp_path / "work.py"), str(me), str(workers), str(tmp_path)]
        return subprocess.Popen(how, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return start


@pytest.fixture
def kernel(tmp_path):
    def write(njit="taplab.compiled", factor=2):
        (tmp_path / "kernel.py").write_text(KERNEL.format(njit=njit))
        (tmp_path / "callee.py").write_text(CALLEE.format(njit=njit, factor=factor))

    write()
    return write


def said(process):
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out.split()


def kept(tmp_path):
    return sorted(file.name for file in (tmp_path / "cache").rglob("kernel.square-*.nbc"))


def together(start):
    workers = [start(k, 3) for k in range(3)]
    return [said(worker)[0] for worker in workers]


def test_processes_that_compile_at_once_do_not_spoil_what_is_kept(kernel, start, tmp_path):
    assert together(start) == ["9.0", "9.0", "(9+0j)"]
    assert said(start())[:3] == ["9.0", "9.0", "(9+0j)"]
    assert said(start()) == ["9.0", "9.0", "(9+0j)", "3"]  # all three are kept now


def test_a_changed_kernel_in_another_file_is_seen(kernel, start, tmp_path):
    assert said(start()) == ["9.0", "9.0", "(9+0j)", "0"]
    before = kept(tmp_path)
    kernel(factor=4)
    assert said(start()) == ["18.0", "18.0", "(18+0j)", "0"]
    assert len(kept(tmp_path)) == len(before) == 3
    assert not set(kept(tmp_path)) & set(before)


@pytest.mark.parametrize("ending", ["nbi", "nbc"])
@pytest.mark.parametrize("size", [0, 30])
def test_what_a_power_cut_spoilt_is_compiled_anew(kernel, start, tmp_path, ending, size):
    said(start())
    for file in (tmp_path / "cache").rglob(f"*.{ending}"):
        file.write_bytes(file.read_bytes()[:size])
    assert said(start()) == ["9.0", "9.0", "(9+0j)", "0"]
    assert said(start()) == ["9.0", "9.0", "(9+0j)", "3"]


def test_all_kernels_are_kept_so():
    files = Path(taplab.__file__).parent.rglob("*.py")
    assert not [f.name for f in files if "from numba import njit" in f.read_text() or "@numba.njit" in f.read_text()]
