import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import taplab
from taplab.kernels import keep_kernels


@pytest.fixture
def read_only(tmp_path):
    """A copy of the package in which nothing can be kept, by root neither: a file stands where each folder would be."""
    copy = tmp_path / "site" / "taplab"
    shutil.copytree(Path(taplab.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__", "*.safetensors"))
    for folder in [copy, *(path for path in copy.rglob("*") if path.is_dir())]:
        (folder / "__pycache__").touch()
    return copy.parent


def test_a_read_only_package_without_a_home_works(read_only, tmp_path):
    code = """
import os, torch, taplab
from taplab.labels import labels_from_scores
print(labels_from_scores(torch.rand(3, 4, 4), (8, 8)).shape, os.environ["NUMBA_CACHE_DIR"], taplab.__file__)
"""
    settings = {k: v for k, v in os.environ.items() if k not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")}
    settings |= {"HOME": os.devnull, "PYTHONPATH": str(read_only), "TMPDIR": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", code], env=settings, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "(8, 8)" in run.stdout
    assert str(read_only) in run.stdout
    assert str(tmp_path / "taplab-kernels-") in run.stdout
    assert not list(tmp_path.glob("taplab-kernels-*"))


def test_a_folder_that_the_user_named_stays(monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    keep_kernels()
    assert os.environ["NUMBA_CACHE_DIR"] == str(tmp_path)


def test_where_numba_finds_a_folder_itself_nothing_is_set(monkeypatch, tmp_path):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "not made yet"))
    keep_kernels()
    assert "NUMBA_CACHE_DIR" not in os.environ
