"""Checkpoints that are damaged, however."""

import numpy as np
import pytest
import torch

from taplab.errors import OutputError
from taplab.training.checkpoint import read, save, saved_step


@pytest.fixture
def saved(tmp_path):
    save(tmp_path, {"step": 7, "net": {"weight": torch.arange(1000.0)}})
    return tmp_path / "checkpoint.pt"


def test_what_was_saved(saved):
    assert read(saved, "cpu", ("step", "net"))["net"]["weight"][999] == 999
    assert saved_step(saved.parent) == 7
    assert [file.name for file in saved.parent.iterdir()] == ["checkpoint.pt"]


def junk():
    """Files that are no checkpoint; the first byte leads the unpickler to many places."""
    rng = np.random.default_rng(0)
    return [b"", b"junk\n", b"PK\x03\x04", *(bytes([first]) + rng.bytes(40) for first in range(256))]


def test_junk(tmp_path):
    for content in junk():
        (tmp_path / "checkpoint.pt").write_bytes(content)
        with pytest.raises(OutputError, match=r"checkpoint\.pt: is damaged; remove it"):
            read(tmp_path / "checkpoint.pt", "cpu", ("step",))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_cut_off(saved, share):
    whole = saved.read_bytes()
    saved.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(OutputError, match="is damaged"):
        read(saved, "cpu", ("step",))
    assert saved_step(saved.parent) is None


@pytest.mark.parametrize("content", [{"net": 1}, [1, 2], 3])
def test_something_else(tmp_path, content):
    torch.save(content, tmp_path / "checkpoint.pt")
    with pytest.raises(OutputError, match=r"is damaged|is no checkpoint of taplab"):
        read(tmp_path / "checkpoint.pt", "cpu", ("step", "net"))


def test_none(tmp_path):
    assert saved_step(tmp_path) is None
