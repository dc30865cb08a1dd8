import math
import os
import subprocess
import sys

import pytest

from taplab.threads import _quota, cores

DOCKER = "/docker/0123abcd"


@pytest.fixture
def groups(tmp_path):
    """``groups(own, **files)``: what the system says, and the cores that it gives."""

    def make(own, files):
        (tmp_path / "own").write_text(own)
        for name, text in files.items():
            file = tmp_path / "cgroup" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text + "\n")
        return _quota(tmp_path / "own", tmp_path / "cgroup")

    return make


@pytest.mark.parametrize(
    ("own", "files", "given"),
    [
        ("0::/\n", {"cpu.max": "150000 100000"}, 1.5),
        ("0::/\n", {"cpu.max": "max 100000"}, math.inf),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000", "a/cpu.max": "400000 100000"}, 4),
        ("0::/a/b\n", {"a/b/cpu.max": "200000 100000", "a/cpu.max": "400000 100000"}, 2),
        (
            f"3:cpuset:{DOCKER}\n2:cpu,cpuacct:{DOCKER}\n",
            {"cpu,cpuacct/cpu.cfs_quota_us": "50000", "cpu,cpuacct/cpu.cfs_period_us": "100000"},
            0.5,
        ),
        ("1:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, math.inf),
        ("1:name=systemd:/\n", {"name=systemd/cpu.max": "1 1"}, math.inf),
    ],
)
def test_what_a_container_may_use(groups, own, files, given):
    assert groups(own, files) == given


def test_without_groups_all_is_allowed(tmp_path):
    assert _quota(tmp_path / "none", tmp_path) == math.inf


def test_there_is_a_core():
    assert 1 <= cores() <= (os.cpu_count() or 1)


@pytest.mark.parametrize(("set_before", "threads"), [({}, "1"), ({"OMP_NUM_THREADS": "3"}, "3")])
def test_torch_has_no_more_threads_than_that(set_before, threads):
    code = (
        "import os, taplab.threads as t; t._allowed = lambda: 64; t._quota = lambda *a: 0.5; t.share_politely(); "
        "print(os.environ['OMP_NUM_THREADS'])"
    )
    env = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"} | set_before
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert done.stdout.strip() == threads
